"""The shape of the package: imports flow one way, and a file holds one idea."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

from .conftest import REPOSITORY

MODULES = sorted((REPOSITORY / "ttame").rglob("*.py"))


def _name(path: Path) -> str:
    return ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")


def _imported(path: Path) -> set[str]:
    """Modules of the package that a module imports, inside functions too, but for types alone."""
    names = {_name(module) for module in MODULES}
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(path.read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        waiting += ast.iter_child_nodes(node)
    return found & names - {_name(path)}


def test_no_module_imports_itself_around_others() -> None:
    order = TopologicalSorter({_name(path): _imported(path) for path in MODULES}).static_order()
    assert set(order) == {_name(path) for path in MODULES}, "raises CycleError where there is a circle"


def test_files_are_short() -> None:
    folders = ("ttame", "tests", "benchmarks", "scripts", "workflow")
    files = [
        path for folder in folders for ending in ("py", "smk") for path in (REPOSITORY / folder).rglob(f"*.{ending}")
    ]
    long = {str(path.relative_to(REPOSITORY)): count for path in files if (count := _lines(path)) > 250}
    assert long == {}


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
