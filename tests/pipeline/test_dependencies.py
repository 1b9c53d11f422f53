"""dvc.yaml against the code: a stage lists exactly the code that it imports, and the files that the package names."""

from __future__ import annotations

import ast
import itertools
from pathlib import Path
from typing import Any

import pytest
import yaml

from ttame.explainers.registry import EXPLAINERS
from ttame.measures.registry import MEASURES
from ttame.params.active import load_settings
from ttame.params.section import SPLITS
from ttame.params.settings import Settings
from ttame.store import paths

from ..conftest import REPOSITORY

STAGES: dict[str, dict[str, Any]] = yaml.safe_load((REPOSITORY / "dvc.yaml").read_text())["stages"]

# Plumbing that passes on what the params say or reports on the work, and cannot change a result.
EXEMPT = {
    "ttame/errors.py",
    "ttame/explainers/entry.py",
    "ttame/explainers/options.py",
    "ttame/measures/options.py",
    "ttame/runtime/gpus.py",
    "ttame/runtime/launching.py",
    "ttame/runtime/progress.py",
    "ttame/runtime/speaking.py",
    "ttame/store/artifacts.py",
    "ttame/store/commands.py",
    "ttame/store/digests.py",
    "ttame/store/origin.py",
    "ttame/store/paths.py",
    "ttame/store/scratch.py",
    "ttame/store/undefined.py",
    *(f"ttame/params/{path.name}" for path in (REPOSITORY / "ttame/params").glob("*.py")),
} - {"ttame/params/specification.py"}

# What decides a pair is in its specification, whose stage depends on these.
SPECIFIED = {"ttame/explainers/registry.py", "ttame/params/specification.py"}


# Where a measure is and how tables call it; what it does is in its own file.
NAMED = {"ttame/measures/column.py", "ttame/measures/registry.py"}


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


def _closure(*modules: str, without: set[str] = EXEMPT) -> set[str]:
    """What modules import, and what that imports; not through those of `without`."""
    left_out = {REPOSITORY / module for module in without}
    seen: set[Path] = set()
    waiting = {REPOSITORY / module for module in modules}
    while waiting:
        module = waiting.pop()
        if module not in seen:
            seen.add(module)
            waiting |= _imports(module) - left_out
    return {str(module.relative_to(REPOSITORY)) for module in seen}


def _code(stage: str) -> list[str]:
    return [dep for dep in STAGES[stage]["deps"] if dep.startswith("ttame/")]


def _is_specified(stage: str) -> bool:
    return any("/specifications/" in dep for dep in STAGES[stage]["deps"])


def _covers(dep: str, module: str) -> bool:
    return module == dep or module.startswith(f"{dep}/")


def _module(stage: str) -> str:
    return f"ttame/stages/{stage.partition('_')[0]}.py"


@pytest.mark.parametrize("stage", STAGES)
def test_code_of_a_stage_is_its_import_closure(stage: str) -> None:
    module = _module(stage)
    methods = [name for name, entry in EXPLAINERS.items() if not entry.needs_training]
    measures = MEASURES if "${item.measure}" in str(_code(stage)) else [""]
    pairs = itertools.product(methods if "${item.method}" in str(_code(stage)) else [""], measures)
    for method, measure in pairs:
        deps = [dep.replace("${item.method}", method).replace("${item.measure}", measure) for dep in _code(stage)]
        modules = (f"ttame/explainers/{method}.py", "ttame/explainers/learned.py", f"ttame/measures/{measure}.py")
        closure = _closure(module, *(dep for dep in deps if dep in modules))
        closure -= (SPECIFIED if _is_specified(stage) else set()) | (NAMED if measure else set())
        missing = [found for found in sorted(closure) if not any(_covers(dep, found) for dep in deps)]
        assert missing == [], f"dvc.yaml: stages.{stage}.deps: add these"


@pytest.mark.parametrize("stage", STAGES)
def test_no_stage_lists_code_that_it_does_not_use(stage: str) -> None:
    methods = [f"ttame/explainers/{name}.py" for name, entry in EXPLAINERS.items() if not entry.needs_training]
    explainers = ["ttame/explainers/learned.py"] if "trained" in stage else methods
    used = [_module(stage), *(explainers if stage.startswith(("maps", "measure", "sanity")) else [])]
    if stage.startswith(("basis", "measure", "sensitivity")):
        used += [f"ttame/measures/{name}.py" for name in MEASURES]
    if stage == "sensitivity":
        used += [*methods, "ttame/explainers/learned.py"]
    closure = _closure(*used, without=set())
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
    pair = {"backbone": settings.backbones[0], "method": settings.methods.trained[0]}
    lists = {str(make(settings, s)) for make in (paths.list_file, paths.contents_file) for s in SPLITS}
    assert _outs("datalists", settings) == lists
    folder = str(paths.specification_file(settings, **pair).parents[1])
    assert str(paths.classifier_file(settings, pair["backbone"]).parents[1]) == folder
    assert _outs("specifications", settings) == {folder, str(paths.trainings_file(settings))}
    for stage in ("train", "maps", "maps_trained", "scores", "scores_trained", "sanity", "sanity_trained"):
        makers, seed = paths.OUTPUTS[stage.partition("_")[0]], 7 if "seed" in STAGES[stage]["matrix"] else None
        written = {str(make(settings, **pair, seed=seed)) for make in makers}
        assert _outs(stage, settings, **pair, seed=str(seed)) == written
    backbone, measure = pair["backbone"], settings.measures.taken[0]
    assert _outs("basis", settings, backbone=backbone, measure=measure) == {
        str(paths.basis_file(settings, backbone, measure))
    }
    for stage in ("measure", "measure_trained"):
        seed = 7 if "seed" in STAGES[stage]["matrix"] else None
        measured = str(paths.measure_file(settings, backbone, pair["method"], seed, measure))
        assert _outs(stage, settings, **pair, measure=measure, seed=str(seed)) == {measured}
    assert _outs("figure", settings, backbone=pair["backbone"]) == {str(paths.figure_file(settings, pair["backbone"]))}
    tables = (
        paths.results_file(settings),
        paths.statistics_file(settings),
        paths.metrics_file(settings, **pair).parents[1],
    )
    assert set(map(str, tables)) <= _outs("tables", settings)
    assert str(paths.page_file(settings)) in _outs("page", settings)
    assert str(paths.measured_file(settings)) in _outs("page", settings)


def test_there_are_few_stages() -> None:
    assert len(STAGES) <= 17


def test_every_pair_stage_reads_no_more_of_the_params_than_its_specification_says() -> None:
    for stage, description in STAGES.items():
        if _is_specified(stage):
            keys = [key for key in description.get("params", []) if key.split(".")[0] in {"models", "attention"}]
            assert keys == [], f"dvc.yaml: stages.{stage}.params"
