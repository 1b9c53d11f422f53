"""What the command line understands."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from ttame import __version__
from ttame.errors import suggestion
from ttame.params.active import PARAMS_FILE

STAGES = {
    "specifications": ("what each pair of backbone and method reads of the params", ()),
    "datalists": ("draw or check the lists of images", ()),
    "truths": ("the class that BACKBONE gives every training image", ("backbone",)),
    "train": ("train the attention mechanism of METHOD for BACKBONE", ("backbone", "method")),
    "maps": ("saliency maps of METHOD on BACKBONE", ("backbone", "method")),
    "scores": ("score the maps of METHOD on BACKBONE", ("backbone", "method")),
    "basis": ("what MEASURE needs to know of BACKBONE, once for all methods", ("backbone", "measure")),
    "measure": ("what MEASURE says of METHOD on BACKBONE", ("backbone", "method", "measure")),
    "sensitivity": ("do the measures fall on BACKBONE when maps are mixed with noise?", ("backbone",)),
    "sanity": ("does the map of METHOD change when BACKBONE loses its weights?", ("backbone", "method")),
    "figure": ("a picture of the maps of every method on BACKBONE", ("backbone",)),
    "tables": ("the comparison tables", ()),
    "page": ("the results page, one HTML file, and the page and table of measured cost", ()),
}
"""Help text and arguments of each stage; the module `ttame.stages.<name>` runs it."""

PARTED = frozenset({"truths", "maps", "scores", "sanity"})
"""Stages whose images several jobs can share; the command without `--part` does what is left and joins it."""

MODELS = "a timm or torchvision model, hf:FOLDER or hf:NAME, open_clip:NAME, or package.module:function"

AddParser = Callable[[str, str], argparse.ArgumentParser]


class _Parser(argparse.ArgumentParser):
    """Says in one line what is wrong, and where the help is."""

    def error(self, message: str) -> NoReturn:
        unknown = re.match(r"argument COMMAND: invalid choice: '(.*?)' \(", message, re.DOTALL)
        if unknown is not None:
            commands = [name for action in self._actions for name in action.choices or ()]
            message = f"no command {unknown[1]!r}{suggestion(unknown[1], commands)}"
        self.exit(2, f"ttame: {' '.join(message.split())[:250]}; see `{self.prog} --help`\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of `python -m ttame`."""
    parser = _Parser(prog="ttame", description="Where does an image classifier look?")
    parser.add_argument("--version", action="version", version=f"ttame {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, summary: str) -> argparse.ArgumentParser:
        command: argparse.ArgumentParser = commands.add_parser(name, help=summary, description=summary)
        command.add_argument("--params", type=Path, default=PARAMS_FILE, help="params file (default: params.yaml)")
        return command

    for name, (summary, wildcards) in STAGES.items():
        command = add(name, summary)
        for wildcard in wildcards:
            command.add_argument(wildcard)
        if "method" in wildcards:
            command.add_argument("--seed", type=int, help="of methods.seeds, for a trained METHOD (default: the first)")
        if name in PARTED:
            command.add_argument(
                "--part", help="K/N: only the K-th of N shares of the images, for the run of the whole"
            )
    _add_plan(add)
    add("results", "print the tables of the active experiment and where they are")
    add("layers", "the layers of a classifier that maps can be made from").add_argument(
        "model", help="a key of models, or the name of any model"
    )
    # These read no params file of one's choice.
    summary = "every method: kind, training, where it is defined, passes, paper"
    commands.add_parser("methods", help=summary, description=summary)
    summary = "the JSON schema of an experiment, for editors"
    commands.add_parser("schema", help=summary, description=summary)
    for make in (_add_use, _add_save, _add_new):
        make(commands)
    _add_show(add)
    _add_find_learning_rate(add)
    _add_import_checkpoint(add)
    _add_text_head(commands)
    return parser


def _add_plan(add: AddParser) -> None:
    command = add("plan", "what the active experiment will compute, and how long it takes on this device")
    command.add_argument("--devices", type=int, help="also on so many like this one, by the number of execution.parts")
    command.add_argument(
        "--costs", type=Path, help="the plan.json of another device, whose costs are taken (default: measure here)"
    )
    command.add_argument("--keep", action="store_true", help="let the engine go by the costs of --costs, too")


def _add_use(commands: Any) -> None:
    summary = "make an experiment of experiments/ the active one"
    command = commands.add_parser("use", help=summary, description=summary)
    command.add_argument("experiment", help="the name of a file in experiments/")
    command.add_argument("overrides", nargs="*", metavar="key=value", help="such as metrics.coherency=false")
    command.add_argument("--force", action="store_true", help="drop what was changed in params.yaml by hand")


def _add_save(commands: Any) -> None:
    summary = "keep the changes made in params.yaml as an experiment of their own, which becomes the active one"
    command = commands.add_parser("save", help=summary, description=summary)
    command.add_argument("experiment", help="the name of the file to write in experiments/")
    command.add_argument("--force", action="store_true", help="overwrite a file of that name")


def _add_new(commands: Any) -> None:
    summary = "begin an experiment: a classifier, a folder to train on, a folder to compare on"
    command = commands.add_parser("new", help=summary, description=summary)
    command.add_argument("experiment", help="its name")
    command.add_argument("--model", required=True, help=MODELS)
    command.add_argument("--weights", default="default", help="default, none (random), or a state dict's path")
    command.add_argument("--head", help="of an image tower, the file that text-head made")
    command.add_argument("--train", type=Path, required=True, help="folder of images to train on")
    command.add_argument("--evaluate", type=Path, required=True, help="folder of images to compare the methods on")
    command.add_argument("--force", action="store_true", help="overwrite a file of that name, and hand edits")


def _add_show(add: AddParser) -> None:
    command = add("show", "top classes of one image, and a picture of the methods' maps side by side")
    command.add_argument("photo", type=Path, help="an image file")
    chosen = command.add_mutually_exclusive_group()
    chosen.add_argument("--backbone", help="a key of models (default: the experiment's first backbone)")
    chosen.add_argument("--model", help="any model, without an experiment (without params.yaml: EfficientNet-Lite0)")
    command.add_argument("--weights", default="default", help="of --model: default, none, or a state dict's path")
    command.add_argument("--head", help="of --model, an image tower: the file that text-head made")
    command.add_argument("--method", nargs="+", default=[], help="default: gradcam, and the reference if it is trained")
    command.add_argument("--class", dest="target", help="index or name (default: the classifier's own)")
    command.add_argument("--checkpoint", type=Path, help="a trained mechanism (default: the experiment's)")
    command.add_argument("--output", type=Path, help="the PNG (default: PHOTO.maps.png here)")


def _add_find_learning_rate(add: AddParser) -> None:
    command = add("find-lr", "the learning-rate range test of METHOD on BACKBONE: a figure and a suggested maximum")
    command.add_argument("backbone")
    command.add_argument("method")
    command.add_argument("--lowest", type=float, default=1e-6, help="first rate (default: 1e-6)")
    command.add_argument("--highest", type=float, default=10.0, help="last rate (default: 10)")
    command.add_argument("--steps", type=int, default=100, help="steps between them (default: 100)")


def _add_import_checkpoint(add: AddParser) -> None:
    command = add("import-checkpoint", "a published checkpoint of T-TAME or L-CAM as one of ours")
    command.add_argument("file", type=Path, help="a Lightning checkpoint")
    command.add_argument("--backbone", required=True, help="a key of models, or the name of a model")
    command.add_argument("--method", help="what it is (default: what the checkpoint says)")
    command.add_argument("--output", type=Path, help="the file to write (default: FILE.safetensors here)")


def _add_text_head(commands: Any) -> None:
    summary = "a list of words as the head of an image tower: CLIP or SigLIP becomes a classifier of them"
    command = commands.add_parser("text-head", help=summary, description=summary)
    command.add_argument("model", help="hf:FOLDER or hf:NAME of CLIP or SigLIP, or open_clip:NAME@TAG or a folder")
    command.add_argument("--weights", default="default", help="default, none (random), or a state dict's path")
    command.add_argument("--classes", type=Path, required=True, help="text file with the name of a class a line")
    command.add_argument("--templates", type=Path, help="text file, each line with {} (default: a photo of a {}.)")
    command.add_argument("--output", type=Path, required=True, help="the file to write, FILE.safetensors")
