"""Files of the repository that are pages of the site too, and links among them."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "benchmarks/README.md": "benchmarks.md",
    "datalist/README.md": "datalists.md",
    "experiments/README.md": "experiments.md",
    "models/README.md": "models.md",
}
"""By their path in the repository; what is in docs/ or notebooks/ is a page at its path there."""

LINK = re.compile(r"(\[[^\]]*\])\(([^)\s]+)\)")
ELSEWHERE = re.compile(r"^(?:\w+:|#|/)")


def with_links(markdown: str, page: str) -> str:
    """A page's text with links between files of the repository as links between pages of the site.

    A link to a file that is no page leaves its words: the site is read where the repository is not.

    Args:
        markdown: as it is written in the repository, where links are relative to the file.
        page: its path in the site.

    Raises:
        FileNotFoundError: for a link to a file that is not there.
    """
    source = {target: name for name, target in PAGES.items()}.get(page, f"docs/{page}")

    def changed(found: re.Match[str]) -> str:
        words, target = found.groups()
        if ELSEWHERE.match(target):
            return found[0]
        path, _, anchor = target.partition("#")
        place = posixpath.normpath(posixpath.join(posixpath.dirname(source), path))
        folder, _, inside = place.partition("/")
        there = PAGES.get(place) or (inside if folder in ("docs", "notebooks") else None)
        if there is None:
            if not Path(place).exists():
                raise FileNotFoundError(f"{source}: a link to {place}, which is not there")
            return words[1:-1]
        relative = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"{words}({relative}{'#' * bool(anchor)}{anchor})"

    return LINK.sub(changed, markdown)
