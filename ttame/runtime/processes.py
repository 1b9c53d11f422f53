"""The processes that train one mechanism together: one on a laptop, elsewhere one a GPU, on one or more nodes."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, TypeVar

import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import LightningEnvironment
from torch import distributed

from ttame.errors import TTameError, reason_of
from ttame.params.settings import ExecutionSettings
from ttame.runtime.device import device_type, set_up_arithmetic
from ttame.runtime.gpus import claim_gpus
from ttame.runtime.launching import environment_of_processes
from ttame.runtime.speaking import is_first, keep_last_word, share_last_word, take_last_word

T = TypeVar("T")


def open_processes(execution: ExecutionSettings, precision: Literal["auto", "float32"] = "float32") -> Fabric:
    """Start the other processes, or join those that torchrun or Slurm started, and set up the device of this one.

    Args:
        execution: device, devices of a node, and nodes.
        precision: auto is float32 on a CPU and mixed on CUDA: bfloat16 where the GPU computes in it, else float16 with
            a scaled loss.

    Raises:
        TTameError: when more GPUs are asked for than there are, or other processes were started than are asked for.
    """
    _leave_out_advice()
    environment = environment_of_processes(execution)
    set_up_arithmetic(execution)
    kind = device_type(execution)
    there_are = torch.cuda.device_count() if kind == "cuda" else None
    if there_are is not None and execution.devices > there_are:
        raise TTameError(
            f"params.yaml: execution.devices asks for {execution.devices} GPUs but {there_are} can be seen; lower it, "
            "or see CUDA_VISIBLE_DEVICES"
        )
    are_several = execution.devices * execution.nodes > 1
    processes = Fabric(
        accelerator=kind,
        # Processes that others started take the GPU of their rank.
        devices=claim_gpus(execution.devices) if kind == "cuda" and environment is not None else execution.devices,
        num_nodes=execution.nodes,
        strategy="ddp" if are_several else "auto",
        precision=_precision(kind, precision),
        plugins=environment,
    )
    if are_several:
        if isinstance(environment, LightningEnvironment):  # launch() starts the others
            share_last_word()
        if is_first():
            atexit.register(take_last_word)  # where all went well there is nothing to say
        processes.launch()
        # Fabric tells the processes that it starts to use one thread each.
        torch.set_num_threads(execution.threads)
    elif kind == "cuda":
        torch.cuda.set_device(processes.device)
    return processes


def one_process(device: torch.device, precision: Literal["auto", "float32"] = "float32") -> Fabric:
    """This process alone."""
    _leave_out_advice()
    return Fabric(
        accelerator=device.type,
        devices=[device.index or 0] if device.type == "cuda" else 1,
        strategy="auto",
        precision=_precision(device.type, precision),
        plugins=LightningEnvironment(),
    )


@contextmanager
def together(processes: Fabric) -> Iterator[None]:
    """Let all processes leave a block in the same way: where one fails all do, and none waits for it in vain.

    Within, none may wait for another. The one that failed says how the command ends, whoever ends first.

    Raises:
        TTameError: in the others, with what the one that failed said.
    """
    failed: Exception | None = None
    try:
        yield
    except Exception as error:
        failed = error
    if processes.world_size > 1:
        if failed is not None:
            keep_last_word()
        said = [""] * processes.world_size
        distributed.all_gather_object(said, "" if failed is None else _message_of(failed))
        others = [f"process {rank}: {reason}" for rank, reason in enumerate(said) if reason]
        if failed is None and others:
            raise TTameError(f"another process of this job failed, {others[0]}")
    if failed is not None:
        raise failed


def _message_of(error: Exception) -> str:
    """What the others say of it; a message of ttame's has its own advice."""
    if isinstance(error, TTameError):
        return str(error)
    return f"{type(error).__name__}: {reason_of(error)}; run the same command again"


def read_by_first(processes: Fabric, read: Callable[[], T | None]) -> T | None:
    """What the first process reads, in all of them: files may be seen later, or not at all, by another node.

    Raises:
        Exception: what `read` raises, in the first; in the others `TTameError`.
    """
    found = None
    with together(processes):
        if processes.is_global_zero:
            found = read()
    return processes.broadcast(found)


def _leave_out_advice() -> None:
    """Fabric's line on faster, less exact products: they are off on purpose (`ttame.runtime.device`)."""
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)


def _precision(kind: str, precision: str) -> Literal["32-true", "bf16-mixed", "16-mixed"]:
    if precision == "float32" or kind == "cpu":
        return "32-true"
    return "bf16-mixed" if torch.cuda.is_bf16_supported(including_emulation=False) else "16-mixed"
