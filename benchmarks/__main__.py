"""Run every benchmark and print one Markdown table; also written to `benchmarks/results/`."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import torch

from benchmarks import engines, lite0
from ttame.artifacts import write_text
from ttame.report.markdown import markdown_table

HEADINGS = ["What", "Measured", "At most"]


def main() -> None:
    """Measure, print and write."""
    torch.set_num_threads(torch.get_num_threads())
    rows = [*lite0.rows(), *engines.rows()]
    machine = (
        f"{platform.processor() or platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    text = f"{machine}\n\n{markdown_table(HEADINGS, rows)}"
    write_text(Path(__file__).with_name("results") / "benchmarks.md", text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
