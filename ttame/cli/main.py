"""The command line: one subcommand per stage of the DAG, and a few for a person."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from ttame.cli.arguments import STAGES, make_parser
from ttame.cli.ending import end
from ttame.cli.printing import finish, give
from ttame.errors import NotDefined, TTameError, suggestion
from ttame.params.active import PARAMS_FILE, load_settings
from ttame.params.planned import as_planned
from ttame.params.settings import Settings
from ttame.runtime.engine_lock import hold_as_job, hold_for_dvc
from ttame.runtime.portable import make_portable
from ttame.runtime.speaking import one_command, only_the_first_speaks
from ttame.runtime.stopping import ended_by_signals
from ttame.store.paths import OUTPUTS, page_file, results_file
from ttame.store.provenance import recorded
from ttame.store.undefined import write_undefined


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it succeeded. Bad input ends in one line on standard error, without a traceback.

    A defect of ours leaves its traceback in a file; with TTAME_TRACEBACK in the environment, everything is raised.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, AttributeError):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # no `≈` where it is not UTF-8
    try:
        options = make_parser().parse_args(arguments)
    except SystemExit as asked:  # for the help, or said what is wrong
        raise SystemExit(finish(int(asked.code or 0))) from None
    with one_command():
        try:
            with ended_by_signals(), only_the_first_speaks():
                code = _run_stage(options) if options.command in STAGES else give(COMMANDS[options.command](options))
        except (Exception, KeyboardInterrupt) as error:
            if "TTAME_TRACEBACK" in os.environ:
                raise
            code = end(error)
    return finish(code)


def _methods(_: argparse.Namespace) -> str:
    from ttame.report.methods import methods_list

    return methods_list().rstrip("\n")


def _use(options: argparse.Namespace) -> str:
    from ttame.cli.use import use

    return use(options.experiment, options.overrides, options.force)


def _save(options: argparse.Namespace) -> str:
    from ttame.cli.use import save

    return save(options.experiment, options.force)


def _new(options: argparse.Namespace) -> str:
    from ttame.cli.use import new

    model = {"model": options.model, "weights": options.weights, "head": options.head}
    return new(options.experiment, model, options.train, options.evaluate, options.force)


def _schema(_: argparse.Namespace) -> str:
    from ttame.params.schema import schema_text

    return schema_text().rstrip("\n")


def _results(options: argparse.Namespace) -> str:
    settings = load_settings(options.params)
    texts = []
    for page in (results_file(settings), results_file(settings).with_name("cost.md")):
        if not page.exists():
            raise TTameError(f"{page}: no such table yet; run `snakemake --cores all` or `dvc repro` first")
        texts.append(page.read_text(encoding="utf-8"))
    return "\n".join([*texts, f"Results page: {page_file(settings).resolve()}"])


def _show(options: argparse.Namespace) -> str:
    experiment = options.model is None and (options.params != PARAMS_FILE or PARAMS_FILE.exists())
    settings = _computing_settings(options) if experiment else None
    from ttame.cli.show import DEFAULT_MODEL, Request, run, run_model

    request = Request(
        options.photo, options.backbone, options.method, options.target, options.checkpoint, options.output
    )
    if settings is None:
        model = DEFAULT_MODEL if options.model is None else options.model
        return run_model(model, options.weights, options.head, request)
    for option, usual in (("weights", "default"), ("head", None)):
        if getattr(options, option) != usual:
            raise TTameError(f"--{option}: is of --model, which is not there; name one, or leave --{option} out")
    return run(settings, request)


def _plan(options: argparse.Namespace) -> str:
    settings = _computing_settings(options)
    from ttame.cli.plan import run

    return run(settings, options.devices, options.costs, keep=options.keep)


def _layers(options: argparse.Namespace) -> str:
    from ttame.cli.layers import run

    return run(load_settings(options.params), options.model).rstrip("\n")


def _find_learning_rate(options: argparse.Namespace) -> str:
    settings = _computing_settings(options)
    from ttame.cli.find_learning_rate import Request, run

    _check_wildcards(settings, options.params, vars(options), trained=True)
    request = Request(options.backbone, options.method, options.lowest, options.highest, options.steps)
    return run(settings, request)


def _import_checkpoint(options: argparse.Namespace) -> str:
    from ttame.cli.import_checkpoint import run

    return run(load_settings(options.params), options.file, options.backbone, options.method, options.output)


def _text_head(options: argparse.Namespace) -> str:
    from ttame.cli.text_head import run

    return run(options.model, options.weights, options.classes, options.templates, options.output)


COMMANDS: dict[str, Callable[[argparse.Namespace], str]] = {
    "find-lr": _find_learning_rate,
    "import-checkpoint": _import_checkpoint,
    "layers": _layers,
    "methods": _methods,
    "new": _new,
    "plan": _plan,
    "results": _results,
    "save": _save,
    "schema": _schema,
    "show": _show,
    "text-head": _text_head,
    "use": _use,
}
"""What a person asks for: each gives the text to print."""


def _computing_settings(options: argparse.Namespace) -> Settings:
    """The settings of a command that computes, which imports its libraries after this."""
    settings = load_settings(options.params)
    if settings.execution.portable:
        make_portable()
    return settings


def _run_stage(options: argparse.Namespace) -> int:
    hold_as_job()
    hold_for_dvc()
    settings = _computing_settings(options)
    words = {name: getattr(options, name) for name in STAGES[options.command][1]}
    _check_wildcards(settings, options.params, words, trained=options.command == "train")
    wildcards: dict[str, Any] = dict(words)  # what the stage gets; the words are what was typed
    if "method" in words:
        wildcards["seed"] = _seed(settings, options.params, options.method, options.seed)
        words |= {} if wildcards["seed"] is None else {"seed": str(wildcards["seed"])}
    part = getattr(options, "part", None)
    with (
        as_planned(options.params, settings, options.command, words),
        recorded(settings, options.command, list(words.values()), part),
    ):
        _compute(options.command, settings, wildcards, part)
    return 0


def _compute(command: str, settings: Settings, wildcards: dict[str, Any], part: str | None) -> None:
    """Run the stage, or a part of it; that a pair is not defined is written by the whole."""
    stage: Callable[..., None] = importlib.import_module(f"ttame.stages.{command}").run
    try:
        if part is None:
            stage(settings, *wildcards.values())
        else:
            from ttame.stages.pieces import Part

            stage(settings, *wildcards.values(), part=Part.parse(part))
    except NotDefined as reason:
        if command not in OUTPUTS:
            raise
        if part is not None:
            return
        print(f"nothing to do: {reason}", file=sys.stderr)
        for output in OUTPUTS[command]:
            write_undefined(output(settings, **wildcards), str(reason))


def _seed(settings: Settings, params: Path, method: str, asked: int | None) -> int | None:
    known = settings.methods.seeds_of(method)
    if asked is not None and asked not in known:
        has = f"{params}: methods.seeds has {', '.join(map(str, known))}; add it there, or name one of these"
        raise TTameError(
            f"--seed {asked}: " + (f"{method} is not trained, so it has no seed" if None in known else has)
        )
    return known[0] if asked is None else asked


def _check_wildcards(settings: Settings, params: Path, wildcards: dict[str, str], trained: bool) -> None:
    methods = settings.methods.trained if trained else settings.methods.all
    for name, known in (
        ("backbone", settings.backbones),
        ("method", methods),
        ("measure", settings.measures.taken),
    ):
        value = wildcards.get(name)
        if value is not None and value not in known:
            hint = suggestion(value, known) or f"; it has {', '.join(known)}"
            raise TTameError(f"{params}: no {name} {value!r} in this experiment{hint}")
