"""What the site says of the code is what the code says; `make docs` itself checks the links."""

from __future__ import annotations

import ast
import importlib
import json
import re

import pytest

from scripts.site.demo import SETTINGS, comparison
from scripts.site.docstrings import described
from scripts.site.links import ELSEWHERE, LINK, PAGES, with_links
from scripts.site.methods import method_pages, page_of
from scripts.site.reference import command_line_page, commands, params_page
from ttame.attention.designs import DESCRIPTIONS, DESIGNS
from ttame.explainers.registry import EXPLAINERS
from ttame.report.columns import comparison_columns
from ttame.report.markdown import cell_text

from ..conftest import REPOSITORY

DOCS = REPOSITORY / "docs"
NOTEBOOKS = REPOSITORY / "notebooks"
HEADINGS = re.findall(r"^### `(.+)`$", (DOCS / "troubleshooting.md").read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture(autouse=True)
def _in_the_repository(monkeypatch) -> None:
    monkeypatch.chdir(REPOSITORY)


@pytest.mark.parametrize("method", EXPLAINERS)
def test_a_method_says_its_formula_and_its_limits(method: str) -> None:
    module, _, name = EXPLAINERS[method].location.partition(":")
    said = described(getattr(importlib.import_module(module), name))
    assert min(map(len, (said.prose, said.formula, said.limits))) > 10


def test_every_mechanism_is_described() -> None:
    assert set(DESCRIPTIONS) == set(DESIGNS)


def test_every_method_has_a_page() -> None:
    pages = method_pages()
    assert set(pages) == {f"methods/{page_of(method)}" for method in EXPLAINERS} | {"methods/index.md"}
    assert all(pages[f"methods/{page_of(method)}"].startswith(f"# {EXPLAINERS[method].title}") for method in EXPLAINERS)
    assert "| `shapes_vit` |" in pages["methods/tame.md"]
    assert "Not among the demo's methods" in pages["methods/gae.md"]
    assert "patent" in pages["methods/lrp.md"]


def test_references_have_every_command_and_key() -> None:
    page = command_line_page()
    assert all(f"\n### {name}\n" in page for name in commands())
    assert "`--checkpoint`" in page
    params = params_page()
    for key in ("`roots.train`", "`NAME.recipe.epochs`", "`rise.masks`", "`single_deletion.cells`", "`parts`"):
        assert key in params, key


def _message(node: ast.expr) -> str:
    """The text of an expression, `…` where something is put in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_message(part) if isinstance(part, ast.Constant) else "…" for part in node.values)
    return "…"


@pytest.fixture(scope="module")
def messages() -> list[str]:
    """Every text in the package."""
    found = []
    for path in sorted((REPOSITORY / "ttame").rglob("*.py")):
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        found += [_message(node) for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr)]
    return found


def test_there_are_errors() -> None:
    assert len(HEADINGS) > 30


@pytest.mark.parametrize("heading", HEADINGS)
def test_an_error_is_still_said(heading: str, messages: list[str]) -> None:
    parts = [part for part in heading.split("…") if part.strip()]
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    assert any(pattern.search(message) for message in messages), "no message of ttame has these words"


def test_the_readme_has_the_demos_numbers() -> None:
    table, columns = comparison("shapes_vit"), comparison_columns(SETTINGS.metrics)
    lines = [line for line in (REPOSITORY / "README.md").read_text().splitlines() if line.startswith("|")]
    head, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if "---:" not in line]
    shown = [next(column for column in columns if column.heading == heading) for heading in head[1:]]
    names = {EXPLAINERS[method].title: str(method) for method in table.index}
    numbers = [row for row in rows if row[0] in names]
    assert len(numbers) >= 5
    for title, *cells in numbers:
        assert cells == [cell_text(table, names[title], column) for column in shown], title


@pytest.mark.parametrize("page", [*PAGES.values(), *sorted(path.name for path in DOCS.glob("*.md"))])
def test_links_between_files_lead_somewhere(page: str) -> None:
    source = {target: name for name, target in PAGES.items()}.get(page, f"docs/{page}")
    text = with_links((REPOSITORY / source).read_text(encoding="utf-8"), page)
    made = {*method_pages(), *PAGES.values(), "reference/command_line.md", "reference/params.md"}
    for _, target in LINK.findall(text):
        there = target.partition("#")[0]
        assert ELSEWHERE.match(target) or there in made or (DOCS / there).exists() or _is_notebook(there), target


def test_a_notebooks_links_lead_from_its_folder() -> None:
    for path in NOTEBOOKS.glob("*.ipynb"):
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            for _, target in LINK.findall("".join(cell["source"]) if cell["cell_type"] == "markdown" else ""):
                assert ELSEWHERE.match(target) or (NOTEBOOKS / target.partition("#")[0]).exists(), target


def _is_notebook(name: str) -> bool:
    return (NOTEBOOKS / name).suffix == ".ipynb" and (NOTEBOOKS / name).exists()


def test_a_link_to_nothing_is_an_error() -> None:
    with pytest.raises(FileNotFoundError, match="a link to nowhere"):
        with_links("[x](../nowhere.txt)", "start.md")
