"""Where and how the work is done: device, threads, precision, memory format. None of it is part of a result."""

from __future__ import annotations

import ctypes
import sys
import time
from typing import Literal

import torch

from ttame.errors import TTameError
from ttame.params.settings import ExecutionSettings
from ttame.runtime.gpus import claim_gpus
from ttame.runtime.portable import check_portable


def select_device(execution: ExecutionSettings) -> torch.device:
    """The device to compute on, a GPU of its own where there are several, set up for reproducible numbers.

    Raises:
        TTameError: if CUDA is asked for and there is none.
    """
    set_up_arithmetic(execution)
    if device_type(execution) == "cpu":
        return torch.device("cpu")
    device = torch.device("cuda", claim_gpus(1)[0])
    torch.cuda.set_device(device)
    return device


def set_up_arithmetic(execution: ExecutionSettings) -> None:
    """Set threads and arithmetic up for reproducible numbers.

    Float32 everywhere: TF32 is switched off, since its 10-bit mantissa moves scores beyond the stated tolerance, and
    the convolution algorithms are the deterministic ones. The number of threads is fixed by the parameters and not by
    the engine, because a different split of a sum changes its last bit.

    Raises:
        TTameError: if the params ask for portable arithmetic and this process loaded its libraries without it.
    """
    if execution.portable:
        check_portable()
    torch.set_num_threads(execution.threads)
    _keep_freed_memory()
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False


def device_type(execution: ExecutionSettings) -> Literal["cpu", "cuda"]:
    """The kind of device to compute on.

    Raises:
        TTameError: if CUDA is asked for and there is none.
    """
    if execution.device == "cpu":
        return "cpu"
    if torch.cuda.is_available():
        return "cuda"
    if execution.device == "auto":
        return "cpu"
    raise TTameError("params.yaml: execution.device is 'cuda' but no CUDA device is visible; use 'auto' or 'cpu'")


def _keep_freed_memory() -> None:
    """Tell glibc to keep the large blocks that it would give back, and fault in again, on every batch.

    Measured on a training step of EfficientNet-Lite0: 3 to 18 % faster. Other C libraries have no `mallopt`.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        trim_threshold, top_pad, mmap_max = -1, -2, -4
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)
        mallopt(top_pad, 64 * 2**20)


def read_clock(device: torch.device) -> float:
    """Seconds of a clock, read once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def peak_memory_bytes(device: torch.device) -> int:
    """Peak memory: allocated on the device for CUDA, resident set of the process for the CPU."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource

    kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(kilobytes if sys.platform == "darwin" else kilobytes * 1024)


def device_name(device: torch.device) -> str:
    """A name for the cost table: the GPU's, or the processor's with the number of threads used."""
    if device.type == "cuda":
        return str(torch.cuda.get_device_name(device))
    return f"CPU, {torch.get_num_threads()} thread{'s' if torch.get_num_threads() != 1 else ''}"
