"""dvc.yaml against the code: a stage lists exactly the code that it imports, and the files that the package names."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from ttame.explainers.registry import EXPLAINERS
from ttame.params.active import load_settings
from ttame.params.settings import Settings
from ttame.store import paths

from ..conftest import REPOSITORY

STAGES: dict[str, dict[str, Any]] = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]

# Plumbing that passes on what the params say or reports on the work, and cannot change a result.
EXEMPT = {
    "ttame/store/artifacts.py",
    "ttame/errors.py",
    "ttame/explainers/registry.py",
    "ttame/runtime/gpus.py",
    "ttame/runtime/launching.py",
    "ttame/runtime/progress.py",
    "ttame/store/scratch.py",
    "ttame/params/settings.py",
    "ttame/params/references.py",
    "ttame/store/paths.py",
}


def _imports(module: Path) -> set[Path]:
    """Modules of the package that a module imports, at its top or inside a function."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
    files = {REPOSITORY / f"{name.replace('.', '/')}.py" for name in names if name.startswith("ttame.")}
    return {file for file in files if file.exists()}


def _closure(*modules: str) -> set[str]:
    seen: set[Path] = set()
    waiting = {REPOSITORY / module for module in modules}
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting |= _imports(module)
    return {str(module.relative_to(REPOSITORY)) for module in seen} - EXEMPT


def _code(stage: str) -> list[str]:
    return [dep for dep in STAGES[stage]["deps"] if dep.startswith("ttame/")]


def _covers(dep: str, module: str) -> bool:
    return module == dep or module.startswith(f"{dep}/")


def _module(stage: str) -> str:
    return f"ttame/stages/{stage.partition('_')[0]}.py"


@pytest.mark.parametrize("stage", STAGES)
def test_code_of_a_stage_is_its_import_closure(stage: str) -> None:
    module = _module(stage)
    methods = [name for name, entry in EXPLAINERS.items() if not entry.needs_training]
    for method in methods if "${item.method}" in str(_code(stage)) else [""]:
        deps = [dep.replace("${item.method}", method) for dep in _code(stage)]
        chosen = [dep for dep in deps if dep in (f"ttame/explainers/{method}.py", "ttame/explainers/learned.py")]
        closure = _closure(module, *chosen)
        missing = [found for found in sorted(closure) if not any(_covers(dep, found) for dep in deps)]
        assert missing == [], f"dvc.yaml: stages.{stage}.deps: add these"


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_lists_code_that_it_does_not_use(stage: str) -> None:
    methods = [f"ttame/explainers/{name}.py" for name, entry in EXPLAINERS.items() if not entry.needs_training]
    explainers = ["ttame/explainers/learned.py"] if "trained" in stage else methods
    closure = _closure(_module(stage), *(explainers if stage.startswith(("maps", "sanity")) else []))
    needless = [dep for dep in _code(stage) if "$" not in dep and not any(_covers(dep, found) for found in closure)]
    assert needless == [], f"dvc.yaml: stages.{stage}.deps: remove these"


def _outs(stage: str, settings: Settings, **wildcards: str) -> set[str]:
    written = [out for kind in ("outs", "metrics", "plots") for out in STAGES[stage].get(kind, [])]
    outs = [out if isinstance(out, str) else next(iter(out)) for out in written]
    for name, value in {"experiment": settings.experiment, **wildcards}.items():
        outs = [out.replace(f"${{item.{name}}}", value) for out in outs]
    return set(outs)


def test_files_are_those_that_the_package_writes() -> None:
    settings = load_settings(REPOSITORY / "params.yaml")
    pair = {"backbone": settings.methods.on_transformers.backbones[0], "method": settings.methods.trained[0]}
    lists = {
        str(make(settings, s))
        for make in (paths.list_file, paths.contents_file)
        for s in ("train", "validation", "evaluation")
    }
    assert _outs("datalists", settings) == lists
    checkpoint = paths.checkpoint_file(settings, **pair)
    speed = paths.training_speed_file(settings, **pair)
    for stage in ("train", "train_on_transformers"):
        history = checkpoint.with_suffix(".history.csv")
        assert _outs(stage, settings, **pair) == {str(checkpoint), str(history), str(speed)}
    maps = {str(paths.maps_file(settings, **pair)), str(paths.cost_file(settings, **pair))}
    for suffix in ("", "_on_transformers", "_trained", "_trained_on_transformers"):
        assert _outs(f"maps{suffix}", settings, **pair) == maps
        assert _outs(f"scores{suffix}", settings, **pair) == {str(paths.scores_file(settings, **pair))}
    assert _outs("figure", settings, backbone=pair["backbone"]) == {str(paths.figure_file(settings, pair["backbone"]))}
    assert str(paths.results_file(settings)) in _outs("tables", settings)
    assert _outs("page", settings) == {str(paths.page_file(settings))}
    for suffix in ("", "_on_transformers", "_trained", "_trained_on_transformers"):
        assert _outs(f"sanity{suffix}", settings, **pair) == {str(paths.sanity_file(settings, **pair))}
