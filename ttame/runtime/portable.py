"""Arithmetic that does not depend on who made the processor. Importing this module loads no library of numbers."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

from ttame.errors import TTameError

PROCESSORS = Path("/proc/cpuinfo")


def portable_environment() -> dict[str, str]:
    """Environment variables that make a CPU give the same bytes on every x86-64 processor with AVX2 and FMA.

    The libraries choose their code by the instructions and the maker of the processor, and other code adds in another
    order. These variables pin each to code that all such processors run. The libraries read them once, when they are
    loaded, so they have to be in the environment of a process before it imports NumPy or torch.

    Only CPUs: a GPU's libraries choose by the GPU's model. The versions of the libraries, `execution.threads` and
    `execution.batch_size` have to be equal too. Empty on processors that are not x86-64, where nothing is promised.

    Raises:
        TTameError: on a processor without AVX2 and FMA.
    """
    if platform.machine() not in ("x86_64", "AMD64"):
        return {}
    missing = {"avx2", "fma"} - _instructions()
    if missing:
        raise TTameError(
            f"params.yaml: execution.portable needs {' and '.join(sorted(missing))}, which this processor lacks; set "
            "it to false"
        )
    return {
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        # The other branches of MKL (AVX2, AVX512, ...) are for Intel's processors alone; elsewhere it ignores them.
        "MKL_CBWR": "COMPATIBLE",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
        "OPENBLAS_CORETYPE": "Haswell",
        # OpenBLAS takes all cores, and splits long sums among them.
        "OPENBLAS_NUM_THREADS": "1",
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse3,+sse4.1,+sse4.2,+ssse3",
    }


def make_portable() -> None:
    """Put the variables into the environment of this process, in place of what it has, if that is not too late."""
    if "numpy" not in sys.modules:
        os.environ.update(portable_environment())


def check_portable() -> None:
    """Refuse a process that may compute something else.

    Raises:
        TTameError: where a variable of `portable_environment` is missing or another.
    """
    wrong = [name for name, value in portable_environment().items() if os.environ.get(name) != value]
    if wrong:
        raise TTameError(
            f"execution.portable: NumPy was loaded before {wrong[0]} was set; start `python -m ttame`, call "
            "ttame.runtime.portable.make_portable() before the first import of NumPy and torch, or set it to false"
        )


def _instructions() -> set[str]:
    """What the processor can do, as Linux says; elsewhere AVX2 and FMA are taken for granted."""
    lines = PROCESSORS.read_text().splitlines() if PROCESSORS.exists() else []
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "avx2 fma")
    return set(flags.split())
