"""The same bytes whatever a processor's libraries would choose, and a word where that cannot be had."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from ttame.errors import TTameError
from ttame.runtime import portable
from ttame.runtime.portable import check_portable, make_portable, portable_environment

SCRIPT = Path(__file__).with_name("numbers_of_process.py")
HOSTILE = {
    "ATEN_CPU_CAPABILITY": "default",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "MKL_CBWR": "AUTO",
    "NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4",
    "OPENBLAS_CORETYPE": "Nehalem",
    "OPENBLAS_NUM_THREADS": "2",
    "NUMBA_CPU_NAME": "nehalem",
    "NUMBA_CPU_FEATURES": "+sse4.2",
}
"""What the libraries do on an old processor."""

x86 = pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="nothing is promised elsewhere")


def numbers(mode: str, variables: dict[str, str]) -> list[str]:
    environment = {name: value for name, value in os.environ.items() if name not in portable_environment()}
    environment["PYTHONPATH"] = str(SCRIPT.parents[2])
    command = [sys.executable, str(SCRIPT), mode]
    finished = subprocess.run(command, env=environment | variables, capture_output=True, text=True, check=True)
    return finished.stdout.split()


@x86
@pytest.mark.slow
def test_bytes_do_not_depend_on_what_the_libraries_would_choose():
    assert numbers("portable", {}) == numbers("portable", HOSTILE)


@x86
@pytest.mark.slow
def test_libraries_left_alone_choose_by_the_processor():
    pairs = list(zip(numbers("plain", {}), numbers("plain", HOSTILE), strict=True))
    assert all(one != other for one, other in pairs[-2:])  # logits and gradients of both classifiers


def test_command_line_loads_no_numbers_before_it_sets_the_variables():
    code = "import sys, ttame.cli.main; print({'numpy', 'torch', 'numba'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "set()\n"


@x86
def test_process_that_loaded_its_libraries_without_it_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MKL_CBWR", "AUTO")
    make_portable()  # too late
    assert os.environ["MKL_CBWR"] == "AUTO"
    with pytest.raises(TTameError, match="MKL_CBWR"):
        check_portable()


@x86
def test_processor_without_avx2_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    old = tmp_path / "cpuinfo"
    old.write_text("model name : old\nflags : fpu sse4_2 fma\n")
    monkeypatch.setattr(portable, "PROCESSORS", old)
    with pytest.raises(TTameError, match="needs avx2"):
        portable_environment()
    old.write_text("flags : avx2 fma\n")
    assert portable_environment()["MKL_CBWR"] == "COMPATIBLE"


def test_nothing_is_promised_elsewhere(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(platform, "machine", lambda: "arm64")
    assert portable_environment() == {}
