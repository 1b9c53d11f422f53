"""The fenced blocks of code of the documentation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ..conftest import REPOSITORY

BLOCK = re.compile(r"^```(\w+)(?: title=\"([^\"]*)\")?\n(.*?)^```$", re.DOTALL | re.MULTILINE)
NEEDS = "Needs "
"""What the title begins with of a block that no test runs; such a block is parsed alone."""


@dataclass(frozen=True)
class Block:
    """A block of code, and where it stands."""

    page: str
    kind: str
    title: str
    text: str

    @property
    def is_run(self) -> bool:
        """Whether a test runs it."""
        return not self.title.startswith(NEEDS)


def pages() -> list[Path]:
    """The README, everything in docs/, and what GitHub and the catalogue show of folders."""
    elsewhere = [REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "config/README.md")]
    folders = [REPOSITORY / name / "README.md" for name in ("benchmarks", "datalist", "experiments", "models")]
    return [*elsewhere, *folders, *sorted((REPOSITORY / "docs").glob("*.md"))]


def blocks(kind: str, *names: str) -> list[Block]:
    """Of one language, of all pages or of those that are named."""
    found = []
    for path in pages():
        page = str(path.relative_to(REPOSITORY))
        text = path.read_text(encoding="utf-8")
        found += [Block(page, language, title, code) for language, title, code in BLOCK.findall(text)]
    return [block for block in found if block.kind == kind and (not names or block.page in names)]
