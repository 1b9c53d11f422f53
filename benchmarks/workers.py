"""Ours and the peer in processes of their own, so that neither runs with the other's memory settings."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import torch

from benchmarks.photographs import set_up_processor

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
        other.close()  # so that a worker that dies ends the wait for it
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
        set_up_processor(threads)
    torch.set_num_threads(threads)
    module, _, name = factory.partition(":")
    run: Run = getattr(importlib.import_module(module), name)(*arguments)
    connection.send("ready")
    while connection.recv() is not None:
        with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):  # the package's progress bars
            started = time.perf_counter()
            run()
            seconds = time.perf_counter() - started
        connection.send(seconds)
