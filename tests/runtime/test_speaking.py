from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ttame.cli.ending import end
from ttame.errors import TTameError
from ttame.runtime.speaking import LAST_WORD, keep_last_word, only_the_first_speaks, share_last_word, take_last_word

from ..conftest import REPOSITORY


@pytest.fixture
def shared(tmp_path: Path, monkeypatch) -> None:
    """The last word of several processes, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(LAST_WORD, "")  # to be taken back after the test
    monkeypatch.delenv(LAST_WORD)
    share_last_word()


def test_who_ends_first_says_why_and_the_exit_codes_stay(shared, capsys) -> None:
    assert end(TTameError("what ends one")) == 1
    assert end(ConnectionError("ends the other")) == 1
    assert end(KeyboardInterrupt()) == 130
    assert end(ZeroDivisionError()) == 1
    assert capsys.readouterr().err == "ttame: what ends one\n"
    assert not Path("logs").exists(), "a consequence is no defect"
    assert list(Path(".scratch").iterdir()) == []


def test_who_failed_says_why_though_another_ends_first(shared, monkeypatch, capsys) -> None:
    of_all = os.environ[LAST_WORD]
    keep_last_word()
    with monkeypatch.context() as other:
        other.setenv(LAST_WORD, of_all)
        assert end(TTameError("another process of this job failed, process 1: ...")) == 1
    assert end(ZeroDivisionError("why")) == 1
    assert capsys.readouterr().err.startswith("ttame: ZeroDivisionError: why (a defect of ttame")
    assert "ZeroDivisionError: why" in Path("logs/traceback.txt").read_text()


def test_processes_that_others_started_share_nothing_new(shared) -> None:
    before = os.environ[LAST_WORD]
    share_last_word()
    assert os.environ[LAST_WORD] == before
    assert take_last_word()
    assert not take_last_word()


def test_alone_a_process_says_everything(monkeypatch, capsys) -> None:
    monkeypatch.delenv(LAST_WORD, raising=False)
    assert end(TTameError("one")) == end(TTameError("two")) == 1
    assert capsys.readouterr().err == "ttame: one\nttame: two\n"


@pytest.mark.parametrize(("rank", "said"), [("0", "a warning\n"), ("1", "")])
def test_while_they_work_the_first_alone_speaks(monkeypatch, capsys, rank, said) -> None:
    monkeypatch.setenv("LOCAL_RANK", rank)
    with only_the_first_speaks():
        print("a warning", file=sys.stderr)
    assert capsys.readouterr().err == said
    print("after it", file=sys.stderr)
    assert capsys.readouterr().err == "after it\n"


@pytest.mark.slow
def test_three_processes_refuse_in_one_line(tmp_path: Path, params) -> None:
    params["models"]["shapes_cnn"]["weights"] = "nowhere.pt"
    params["execution"] |= {"device": "cpu", "devices": 3}
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-m", "ttame", "truths", "shapes_cnn"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "nowhere.pt" in line or line.startswith("ttame: ")]
    assert len(lines) == 1, done.stderr
    assert list((tmp_path / ".scratch").glob("last_word*")) == []
