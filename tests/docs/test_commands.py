"""Every shell line of the documentation is one that the programs understand."""

from __future__ import annotations

import importlib.util
import re
import shlex
import tomllib
from collections.abc import Callable

import pytest

from ttame.cli.arguments import make_parser

from ..conftest import REPOSITORY
from .blocks import BLOCK, blocks, pages

MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
EXTRAS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
WHAT_IS_TYPED = re.compile(r"^ {4,}(?:\$ )?(?:python -m|make|snakemake|dvc|pip|ttame|source|git) ", re.MULTILINE)


def _lines() -> list[tuple[str, str]]:
    """(page, command) of every shell block, the parts of `a && b` apart, without comments and redirections."""
    found = []
    for block in blocks("sh"):
        for line in re.sub(r"\\\n *", "", block.text).splitlines():
            commands = re.split(r" && ", re.sub(r"(?:^| +)#.*$", "", line))
            found += [(block.page, re.sub(r" > \S+$", "", command.strip())) for command in commands if command.strip()]
    return found


def _ttame(words: list[str]) -> None:
    make_parser().parse_args(words)


def _module(words: list[str]) -> None:
    name, *arguments = words
    if name == "ttame":
        _ttame(arguments)
    else:
        found = importlib.util.find_spec(name)
        assert found
        assert not found.submodule_search_locations or importlib.util.find_spec(f"{name}.__main__")


def _make(words: list[str]) -> None:
    for target in words:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), f"no target {target}"


def _snakemake(words: list[str]) -> None:
    cli = pytest.importorskip("snakemake.cli")
    parser = cli.get_argument_parser()
    parser.parse_args(words)


def _dvc(words: list[str]) -> None:
    parser = pytest.importorskip("dvc.cli.parser").get_main_parser()
    parser.parse_args(words)


def _pip(words: list[str]) -> None:
    assert words[0] == "install"
    extra = re.fullmatch(r"\.\[(\w+)\]", words[1])
    assert extra is None or extra[1] in EXTRAS


def _docker(words: list[str]) -> None:
    action, *others = words
    if action == "build":
        _files_of_an_image(others)
    else:
        _understood(shlex.join(others[others.index("ttame") + 1 :]))


def _apptainer(words: list[str]) -> None:
    action, *others = words
    if action == "build":
        _files_of_an_image(others)
    else:
        inside = others[others.index("ttame.sif") + 1 :]
        _understood(shlex.join(["ttame", *inside] if action == "run" else inside))


def _files_of_an_image(words: list[str]) -> None:
    named = [word for word in words if word.startswith("containers/")]
    assert named
    assert all((REPOSITORY / word).is_file() for word in named)
    arguments = [word.partition("=")[0] for word in words if "=" in word]
    assert all(f"{name}=" in (REPOSITORY / named[0]).read_text(encoding="utf-8") for name in arguments)


def _edits(words: list[str]) -> None:
    assert all((REPOSITORY / word).exists() for word in words)


def _anything(_: list[str]) -> None:
    """The shell's own, or a program that is no part of this."""


PROGRAMS: dict[str, Callable[[list[str]], None]] = {
    "python -m": _module,
    "ttame": _ttame,
    "make": _make,
    "snakemake": _snakemake,
    "dvc": _dvc,
    "pip": _pip,
    "docker": _docker,
    "apptainer": _apptainer,
    "$EDITOR": _edits,
    "source": _anything,
    "printf": _anything,
    "pytest": _anything,
}


@pytest.mark.parametrize(("page", "command"), _lines())
def test_a_command_is_understood(page: str, command: str) -> None:
    _understood(command)


def _understood(command: str) -> None:
    program = next((name for name in PROGRAMS if command.startswith(f"{name} ")), None)
    assert program, f"what is {command!r}?"
    PROGRAMS[program](shlex.split(command.removeprefix(program)))


def test_there_are_commands_of_every_kind() -> None:
    assert {next(name for name in PROGRAMS if line.startswith(f"{name} ")) for _, line in _lines()} >= {
        "python -m",
        "make",
        "snakemake",
        "dvc",
        "pip",
    }


@pytest.mark.parametrize("page", pages(), ids=lambda path: path.name)
def test_what_is_typed_stands_in_a_fence(page) -> None:
    outside = BLOCK.sub("", page.read_text(encoding="utf-8"))
    assert WHAT_IS_TYPED.findall(outside) == [], "an indented block, which no test would see"
