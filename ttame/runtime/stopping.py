"""What a command does when it is asked to stop, and when the engine that started it is gone."""

from __future__ import annotations

import _thread
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that ask to stop: of schedulers, of Ctrl-C, and of a terminal that is closed."""

ENGINE = "TTAME_ENGINE"
"""Environment variable with the process of the engine, without which its jobs end."""

SECONDS_TO_SAVE = 60
"""After which a command whose engine is gone is killed."""


class StopSignal(KeyboardInterrupt):
    """One of the signals that ask to stop, wherever the program is."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `StopSignal` on the first signal that asks to stop, ignore more of them, and watch the engine.

    What ignores a signal, as `nohup` makes it, goes on ignoring it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in ASKING if signal.getsignal(number) != signal.SIG_IGN}

    def stop(number: int, _: FrameType | None) -> None:
        for other in before:
            signal.signal(other, _ignore)
        raise StopSignal(number)

    for number in before:
        signal.signal(number, stop)
    engine = _engine()
    if engine is not None:
        threading.Thread(target=_end_with, args=[engine], daemon=True).start()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def leave_signals_to_parent(_: int = 0) -> None:
    """In a process that decodes: what is sent to the whole group is for the process that saves its state."""
    for number in ASKING:
        signal.signal(number, signal.SIG_IGN)


def pass_on_signals() -> None:
    """In an engine: a signal to it alone ends its jobs too, as Ctrl-C in a terminal does, and then the engine.

    Without this Snakemake would wait for their ends, which may be days away.
    """
    passing_on = _passing_on(signal.getsignal(signal.SIGTERM))
    for number in ASKING:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, passing_on)


def _passing_on(graceful: Any) -> Callable[[int, FrameType | None], None]:
    def end(number: int, _: FrameType | None) -> None:
        for job in _jobs_below(os.getpid()):
            with suppress(ProcessLookupError):
                os.kill(job, signal.SIGTERM)
        if number == signal.SIGINT or not callable(graceful):
            raise KeyboardInterrupt
        # Not here: Snakemake's own handler waits for a lock, which what is interrupted here may hold.
        _thread.start_new_thread(graceful, (number, None))

    return end


def _jobs_below(engine: int) -> list[int]:
    """The stages among the descendants of a process."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,args="], check=False, capture_output=True, text=True)
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    below = {engine}
    for _ in rows:
        more = {int(row[0]) for row in rows if int(row[1]) in below} - below
        if not more:
            break
        below |= more
    # Not the shells that name the command as well: they wait for it.
    return [
        int(row[0]) for row in rows if int(row[0]) in below and "python" in row[2].split()[0] and "-m ttame " in row[2]
    ]


def _ignore(number: int, frame: FrameType | None) -> None:
    """Unlike SIG_IGN, not handed on to processes that are started."""


def _engine() -> int | None:
    """Snakemake says who it is; DVC is the parent of what it runs."""
    if os.environ.get(ENGINE, "").isdigit():
        return int(os.environ[ENGINE])
    return os.getppid() if "DVC_STAGE" in os.environ else None


def _end_with(engine: int) -> None:
    """Ask this process to stop when the engine has ended, and kill it when that takes too long."""
    wait_for_end(engine)
    with suppress(OSError):  # who read the output may be gone as well, and the state is to be saved all the same
        nowhere = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            os.dup2(nowhere, descriptor)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_SAVE)
    os.kill(os.getpid(), signal.SIGKILL)


def wait_for_end(process: int) -> None:
    """Return once a process has ended, a zombie included where the system can tell."""
    if hasattr(os, "pidfd_open"):
        with suppress(OSError):
            watched = os.pidfd_open(process)
            select.select([watched], [], [])
            os.close(watched)
            return
    with suppress(ProcessLookupError):
        while True:
            os.kill(process, 0)
            time.sleep(1)
