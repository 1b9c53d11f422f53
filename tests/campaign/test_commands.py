"""Commands, names and overrides that there are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import Refused

COMMANDS: dict[str, tuple[list[str], str]] = {
    "none": ([], "COMMAND"),
    "unknown": (["mapz"], "'mapz'; did you mean 'maps'"),
    "broken": (["ma\nps"], "ma"),
    "extra": (["tables", "x"], "unrecognized arguments: x"),
    "missing": (["maps", "shapes_cnn"], "method"),
    "option": (["tables", "--parms", "x"], "--parms"),
    "value": (["tables", "--params"], "--params"),
    "steps": (["find-lr", "a", "b", "--steps", "x"], "--steps"),
    "no params": (["tables"], "params.yaml: no such file"),
    "other params": (["tables", "--params", "nowhere.yaml"], "nowhere.yaml: no such file"),
    "folder as params": (["tables", "--params", "experiments"], "experiments: cannot be read"),
    "parent": (["use", "../small"], "'../small' is no name"),
    "no name": (["use", ""], "'' is no name"),
    "hidden": (["use", ".small"], "is no name"),
    "dash": (["save", "a b"], "is no name"),
    "long": (["use", "a" * 300], "is no name"),
    "lines": (["use", "a\nb"], "is no name"),
    "near": (["use", "smal"], "did you mean 'small'"),
    "override": (["use", "small", "metrics"], "expected key=value"),
    "empty key": (["use", "small", "=1"], "expected key=value"),
    "unknown key": (["use", "small", "metrics.coherenc=1"], "did you mean 'coherency'"),
    "lines in override": (["use", "small", "report.seed=a\nb"], "report.seed"),
    "open override": (["use", "small", "metrics.road=["], "not valid YAML"),
}


@pytest.mark.parametrize(("arguments", "names"), COMMANDS.values(), ids=COMMANDS)
def test_command_is_refused(refused: Refused, arguments: list[str], names: str) -> None:
    refused(*arguments, names=(names,))


def test_params_that_link_to_themselves(refused: Refused) -> None:
    Path("params.yaml").symlink_to("params.yaml")
    refused("tables", names=("params.yaml: cannot be read",))
