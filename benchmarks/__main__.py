"""Run benchmarks and print a Markdown table of each section; also written to `benchmarks/results/`."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
from pathlib import Path

import torch

from benchmarks.photographs import set_up_processor, settings_of
from ttame.report.markdown import markdown_table
from ttame.runtime.device import device_name, select_device
from ttame.store.artifacts import write_text

BOUNDED = ["What", "Measured", "At most"]
COMPARED = ["What", "Ours, ms per image", "Other, ms per image", "Ratio", "Wanted"]
EVALUATED = ["What", "Ours, ms", "Other, ms", "Ratio or error", "Wanted"]
LISTED = ["Method", "Passes", "Launches", "Waits", "ms an image", "Hours of the list", "Over its bare passes"]
SECTIONS = {
    "lite0": BOUNDED,
    "engines": BOUNDED,
    "demo": ["What", "Jobs", "Seconds"],
    "explainers": COMPARED,
    "evaluation": EVALUATED,
    "tables": BOUNDED,
    "memory": ["What", "Seconds", "MB at the peak", "More, MB; at most 300"],
    "training": ["What", "Images/s", "Other, images/s", "Ratio", "Wanted"],
    "paper": LISTED,
    "portability": ["What", "Changed by", "As it comes", "Portable", "CPU time"],
    "agreement": ["What", "Largest difference", "Least rank correlation"],
    "passes": ["What", "First result, s", "ms an image", "Speed over float32"],
    "cheaper_maps": ["What", "Speed", "Rank correlation, mean and least", "Means of measures moved by"],
    "fills": ["What", "Images/s", "Wanted"],
}
"""Every module beside this one whose `rows` makes a table, with the headings."""
GROUPS = {"gpu": ["agreement", "fills", "passes", "cheaper_maps", "training", "paper"]}
"""What a GPU is measured with; elsewhere the same runs on fewer images."""


def main() -> None:
    """Measure, print and write the sections that are named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    known = [*SECTIONS, *GROUPS]
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=", ".join(known))
    asked = parser.parse_args().sections or list(SECTIONS)
    unknown = [name for name in asked if name not in known]
    if unknown:
        parser.error(f"{unknown[0]!r} is no section; expected {', '.join(known)}")
    set_up_processor(os.cpu_count() or 1)
    machine = f"{_processor()}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    device = select_device(settings_of("photos").execution)
    if device.type == "cuda":
        machine += f", {device_name(device)}"
    for name in [section for entry in asked for section in GROUPS.get(entry, [entry])]:
        # Imported where it is asked for: some need packages that others do without.
        rows = importlib.import_module(f"benchmarks.{name}").rows()
        text = f"## {name}\n\n{machine}\n\n{markdown_table(SECTIONS[name], rows)}"
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
