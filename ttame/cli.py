"""The command line: one subcommand per stage of the DAG, and a few for a person."""

from __future__ import annotations

import argparse
import errno
import importlib
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ttame import __version__
from ttame.errors import TTameError, suggestion
from ttame.provenance import recorded
from ttame.settings import PARAMS_FILE, Settings, load_settings
from ttame.stages.paths import page_file, results_file

STAGES = {
    "datalists": ("draw or check the lists of images", ()),
    "train": ("train the attention mechanism of METHOD for BACKBONE", ("backbone", "method")),
    "maps": ("saliency maps of METHOD on BACKBONE", ("backbone", "method")),
    "scores": ("score the maps of METHOD on BACKBONE", ("backbone", "method")),
    "sanity": ("does the map of METHOD change when BACKBONE loses its weights?", ("backbone", "method")),
    "figure": ("a picture of the maps of every method on BACKBONE", ("backbone",)),
    "tables": ("the comparison tables", ()),
    "page": ("the results page, one HTML file", ()),
    "cost": ("the table of measured seconds and memory", ()),
}
"""Help text and arguments of each stage; the module `ttame.stages.<name>` runs it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; 0 when it succeeded. Bad input ends in one line on standard error, without a traceback."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "use":
            from ttame.stages import use

            print(use.run(options.experiment))
        elif options.command == "methods":
            from ttame.report.methods import methods_list

            print(methods_list(), end="")
        elif options.command == "show":
            _show(options)
        elif options.command == "results":
            _print_results(load_settings(options.params))
        else:
            _run_stage(options)
    except TTameError as error:
        return _fail(str(error), 1)
    except KeyboardInterrupt:
        return _fail("interrupted; what is finished is kept, run the same command to go on", 130)
    except OSError as error:
        return _fail(_describe(error), 1)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ttame", description="Where does an image classifier look?")
    parser.add_argument("--version", action="version", version=f"ttame {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (summary, wildcards) in STAGES.items():
        command = commands.add_parser(name, help=summary, description=summary)
        for wildcard in wildcards:
            command.add_argument(wildcard)
        command.add_argument("--params", type=Path, default=PARAMS_FILE, help="params file (default: params.yaml)")
    command = commands.add_parser("results", help="print the tables of the active experiment and where they are")
    command.add_argument("--params", type=Path, default=PARAMS_FILE, help="params file (default: params.yaml)")
    _add_show(commands)
    commands.add_parser("methods", help="every method: kind, training, where it is defined, passes, paper")
    command = commands.add_parser("use", help="make an experiment of experiments/ the active one")
    command.add_argument("experiment")
    return parser


def _add_show(commands: Any) -> None:
    summary = "top classes of one image, and a picture of the methods' maps side by side"
    command = commands.add_parser("show", help=summary, description=summary)
    command.add_argument("photo", type=Path, help="an image file")
    command.add_argument("--backbone", help="a key of models (default: the experiment's first backbone)")
    command.add_argument("--method", nargs="+", default=[], help="default: gradcam, and the reference if it is trained")
    command.add_argument("--class", dest="target", help="index or name (default: the classifier's own)")
    command.add_argument("--checkpoint", type=Path, help="a trained mechanism (default: the experiment's)")
    command.add_argument("--output", type=Path, help="the PNG (default: PHOTO.maps.png here)")
    command.add_argument("--params", type=Path, default=PARAMS_FILE, help="params file (default: params.yaml)")


def _show(options: argparse.Namespace) -> None:
    from ttame.stages.show import Request, run

    request = Request(
        options.photo, options.backbone, options.method, options.target, options.checkpoint, options.output
    )
    print(run(load_settings(options.params), request))


def _print_results(settings: Settings) -> None:
    for page in (results_file(settings), results_file(settings).with_name("cost.md")):
        if not page.exists():
            raise TTameError(f"{page}: no such table yet; run `snakemake --cores all` or `dvc repro` first")
        print(page.read_text(encoding="utf-8"))
    print(f"Results page: {page_file(settings).resolve()}")


def _run_stage(options: argparse.Namespace) -> None:
    settings = load_settings(options.params)
    wildcards = {name: getattr(options, name) for name in STAGES[options.command][1]}
    _check_wildcards(settings, options.params, wildcards, trained=options.command == "train")
    stage: Callable[..., None] = importlib.import_module(f"ttame.stages.{options.command}").run
    with recorded(settings, options.command, list(wildcards.values())):
        stage(settings, *wildcards.values())


def _check_wildcards(settings: Settings, params: Path, wildcards: dict[str, str], trained: bool) -> None:
    methods = settings.methods.all
    backbone = wildcards.get("backbone")
    if backbone in settings.backbones:
        methods = settings.methods.trained_of(backbone) if trained else settings.methods.of(backbone)
    for name, known in (("backbone", settings.backbones), ("method", methods)):
        value = wildcards.get(name)
        if value is None or value in known:
            continue
        if name == "method" and value in settings.methods.all and backbone is not None and not trained:
            raise TTameError(f"{value} is defined on transformers alone, so {params} leaves it out on {backbone}")
        hint = suggestion(value, known) or f"; it has {', '.join(known)}"
        raise TTameError(f"{params}: no {name} {value!r} in this experiment{hint}")


def _describe(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"{where}no space left on the disk; free some and run the same command, what is finished is kept"
    return f"{where}{error.strerror or error}"


def _fail(message: str, code: int) -> int:
    print(f"ttame: {message}", file=sys.stderr)
    return code
