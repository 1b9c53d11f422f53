"""Ours and the peer in processes of their own, so that neither runs with the other's memory settings."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import statistics
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

from ttame.device import select_device
from ttame.settings import ExecutionSettings

Run = Callable[[], object]


class Worker:
    """A process that prepares work once and then runs it whenever it is asked to.

    Args:
        factory: `module:function`; called with `arguments`, it gives the function to time.
        tuned: whether the process is set up as the stages are (`select_device`), or left as PyTorch starts.
        threads: CPU threads.
        arguments: of the factory.
    """

    def __init__(self, factory: str, tuned: bool, threads: int, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        self._process = context.Process(target=_serve, args=(other, factory, tuned, threads, arguments), daemon=True)
        self._process.start()
        self._connection.recv()

    def seconds(self) -> float:
        """Run once."""
        self._connection.send("run")
        return float(self._connection.recv())

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.send(None)
        self._process.join()


def interleaved(first: Worker, second: Worker, rounds: int) -> tuple[float, float]:
    """Median seconds of each, run in turns so that a busy moment hits both; the first round warms up."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for worker, seconds in zip((first, second), times, strict=True):
            seconds.append(worker.seconds())
    return statistics.median(times[0][1:]), statistics.median(times[1][1:])


def _serve(connection: Connection, factory: str, tuned: bool, threads: int, arguments: tuple[Any, ...]) -> None:
    if tuned:
        select_device(ExecutionSettings("cpu", threads, 1, 0))
    torch.set_num_threads(threads)
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - the package's progress bars, as long as the process lives
    module, _, name = factory.partition(":")
    run: Run = getattr(importlib.import_module(module), name)(*arguments)
    connection.send("ready")
    while connection.recv() is not None:
        started = time.perf_counter()
        run()
        connection.send(time.perf_counter() - started)
