"""Run every benchmark and print one Markdown table; also written to `benchmarks/results/`."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import torch

from benchmarks import engines, explainers, lite0
from ttame.artifacts import write_text
from ttame.device import select_device
from ttame.report.markdown import markdown_table
from ttame.settings import ExecutionSettings

HEADINGS = ["What", "Measured", "At most"]
AGAINST = ["Method and peer", "Ours, ms per image", "Peer, ms per image", "Ratio", "At least"]


def main() -> None:
    """Measure, print and write."""
    select_device(ExecutionSettings("cpu", os.cpu_count() or 1, 1, 0))
    rows = [*lite0.rows(), *engines.rows()]
    machine = f"{_processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    text = f"{machine}\n\n{markdown_table(HEADINGS, rows)}\n{markdown_table(AGAINST, explainers.rows())}"
    write_text(Path(__file__).with_name("results") / "benchmarks.md", text)
    sys.stdout.write(text)


def _processor() -> str:
    """The processor's name; Python's own guess is empty on Linux."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
