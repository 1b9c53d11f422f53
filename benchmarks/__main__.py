"""Run benchmarks and print a Markdown table of each section; also written to `benchmarks/results/`."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import demo, engines, evaluation, explainers, lite0, paper, portability, tables, training
from benchmarks.photographs import set_up_processor
from ttame.report.markdown import markdown_table
from ttame.store.artifacts import write_text

BOUNDED = ["What", "Measured", "At most"]
SPENT = ["What", "Jobs", "Seconds"]
COMPARED = ["What", "Ours, ms per image", "Other, ms per image", "Ratio", "Wanted"]
EVALUATED = ["What", "Ours, ms", "Other, ms", "Ratio or error", "Wanted"]
LISTED = ["Method", "Forward passes", "Map, s", "Scores, s", "Hours of all maps", "Hours of all scores"]
TRAINED = ["What", "Images/s", "Other, images/s", "Ratio", "Wanted"]
PORTED = ["What", "Changed by", "As it comes", "Portable", "CPU time"]
SECTIONS: dict[str, tuple[list[str], Callable[[], list[list[str]]]]] = {
    "lite0": (BOUNDED, lite0.rows),
    "engines": (BOUNDED, engines.rows),
    "demo": (SPENT, demo.rows),
    "explainers": (COMPARED, explainers.rows),
    "evaluation": (EVALUATED, evaluation.rows),
    "tables": (BOUNDED, tables.rows),
    "training": (TRAINED, training.rows),
    "paper": (LISTED, paper.rows),
    "portability": (PORTED, portability.rows),
}


def main() -> None:
    """Measure, print and write the sections that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(SECTIONS))
    names = parser.parse_args().sections or list(SECTIONS)
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        parser.error(f"{unknown[0]!r} is no section; expected {', '.join(SECTIONS)}")
    set_up_processor(os.cpu_count() or 1)
    machine = f"{_processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    for name in names:
        headings, rows = SECTIONS[name]
        text = f"## {name}\n\n{machine}\n\n{markdown_table(headings, rows())}"
        write_text(Path(__file__).with_name("results") / f"{name}.md", text)
        print(text, flush=True)


def _processor() -> str:
    """The processor's name; Python's own guess is empty on Linux."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


if __name__ == "__main__":
    main()
