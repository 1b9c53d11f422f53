"""A reader that is gone, and an output that takes nothing, at the end of a real process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ..conftest import REPOSITORY


def _run(*arguments: str, unread: str, buffered: bool = True) -> tuple[int, str]:
    """Exit code and what the other stream said, of a command of which nobody reads one of them."""
    reading, writing = os.pipe()
    os.close(reading)
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | {unread: writing}
    environment = os.environ | {"PYTHONUNBUFFERED": "" if buffered else "1"}
    try:
        command = [sys.executable, "-m", "ttame", *arguments]
        done = subprocess.run(command, **streams, env=environment, cwd=REPOSITORY, check=False, text=True)  # type: ignore[call-overload]
    finally:
        os.close(writing)
    return done.returncode, done.stderr if unread == "stdout" else done.stdout


@pytest.mark.parametrize("buffered", [True, False])
@pytest.mark.parametrize("command", ["methods", "schema"])
def test_a_reader_that_left_ends_a_command_without_a_word(command: str, buffered: bool) -> None:
    assert _run(command, unread="stdout", buffered=buffered) == (128 + signal.SIGPIPE, "")


def test_help_and_refusals_without_a_reader_say_nothing_either() -> None:
    assert _run("--help", unread="stdout") == (128 + signal.SIGPIPE, "")
    assert _run("methodz", unread="stderr") == (2, "")
    assert _run("tables", "--params", "nowhere.yaml", unread="stderr") == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file that takes nothing")
def test_a_full_disk_is_a_line() -> None:
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "ttame", "methods"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, cwd=REPOSITORY, check=False, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("ttame: standard output: no space left on the disk")
    assert len(done.stderr.splitlines()) == 1
