"""Both containers are of one base and hold the same files; actions are pinned."""

from __future__ import annotations

import re

import yaml

from ..conftest import REPOSITORY

DOCKERFILE = (REPOSITORY / "containers/Dockerfile").read_text()
DEFINITION = (REPOSITORY / "containers/ttame.def").read_text()


def test_the_base_is_one_and_pinned_by_digest() -> None:
    (docker,) = re.findall(r"^ARG BASE=(\S+)$", DOCKERFILE, re.MULTILINE)
    (apptainer,) = re.findall(r"^From: (\S+)$", DEFINITION, re.MULTILINE)
    assert docker == apptainer
    assert re.search(r"@sha256:[0-9a-f]{64}$", docker)


def test_they_hold_the_same_files() -> None:
    section = DEFINITION.partition("%files\n")[2].partition("\n%")[0].strip()
    copied = {line.split()[0] for line in section.splitlines()}
    kept = {line.lstrip("!") for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line[0] == "!"}
    assert copied == kept
    assert all((REPOSITORY / name).exists() for name in kept)


def test_actions_are_pinned_by_commit() -> None:
    files = [*(REPOSITORY / ".github").rglob("*.yml")]
    used = [line for file in files for line in re.findall(r"uses: (.*)", file.read_text()) if not line.startswith("./")]
    assert len(used) > 10
    assert all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", line) for line in used)
    assert all(yaml.safe_load(file.read_text()) for file in files)
