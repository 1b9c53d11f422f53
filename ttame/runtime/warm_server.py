"""The process of which stages start as copies: it loads the libraries, then forks for everyone who connects.

    python -m ttame.runtime.warm_server DESCRIPTOR   # of a listening socket; ends when its standard input does

A copy keeps what it has loaded of ttame only as long as those files stay as they were (`loaded_code`). It neither
starts threads nor asks for CUDA, neither of which a copy could go on with.
"""

from __future__ import annotations

import atexit
import ctypes
import gc
import importlib
import json
import os
import runpy
import select
import selectors
import shutil
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from ttame.runtime.loaded_code import State, keep_or_forget, load_stages
from ttame.runtime.warm_start import STARTED

LIBRARIES = (
    "torch",
    "safetensors.torch",
    "PIL.Image",
    "tqdm",
    "pydantic",
    "pandas",
    "numba",
    "lightning_fabric",
)
"""What most stages of the embedded data load."""

SECONDS_TO_SAVE = 30
"""Of a copy that nobody waits for any more, until it is killed."""


@dataclass
class Job:
    """A copy that runs, and the connection to who waits for it; a time to be killed at once nobody does."""

    process: int
    watched: int
    connection: socket.socket
    killed_at: float | None = None


class Server:
    """Forks for every request. A copy is asked to end when who waits for it goes away, all are at the server's end."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._jobs: list[Job] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(listener, selectors.EVENT_READ)
        self._selector.register(0, selectors.EVENT_READ)

    def serve(self) -> list[int] | None:
        """In the server, nothing, once its standard input has ended; in a copy, the descriptors that it was sent."""
        while True:
            waits = any(job.killed_at is not None for job in self._jobs)
            ready = self._selector.select(timeout=1 if waits else None)
            self._kill_late_ones()
            for key, _ in ready:
                if key.fileobj == 0:
                    self.end()
                    return None
                if key.fileobj is self._listener:
                    self._selector.register(self._listener.accept()[0], selectors.EVENT_READ)
                elif key.data is None:
                    descriptors = self._start(key.fileobj)
                    if descriptors:
                        return descriptors
                elif key.data in self._jobs:  # it may have ended while this round looked at others
                    self._attend(key.data, key.fileobj)

    def _start(self, connection: Any) -> list[int]:
        """Fork for a request; the descriptors in the copy, none in the server."""
        self._selector.unregister(connection)
        descriptors: list[int] = []
        process = -1
        with suppress(OSError):  # who went away, and a machine that has no room for a process: nothing is started
            said, descriptors, _, _ = socket.recv_fds(connection, 1, 4)
            process = os.fork() if said else -1
        if process == 0:
            self._forget(connection)
            return descriptors
        for descriptor in descriptors:
            os.close(descriptor)
        if process < 0:
            connection.close()
            return []
        job = Job(process, os.pidfd_open(process), connection)
        self._jobs.append(job)
        for file in (job.watched, connection):
            self._selector.register(file, selectors.EVENT_READ, job)
        with suppress(OSError):
            connection.send(STARTED)
        return []

    def _forget(self, connection: socket.socket) -> None:
        """Close in a copy what belongs to the server."""
        self._selector.close()
        for file in (self._listener, connection, *(job.connection for job in self._jobs)):
            file.close()
        for job in self._jobs:
            os.close(job.watched)

    def _attend(self, job: Job, file: Any) -> None:
        """Pass a signal on, or end a job whose copy has ended or whose client has gone."""
        if file is job.connection:
            numbers = b""
            with suppress(OSError):
                numbers = job.connection.recv(16)
            for number in numbers:
                os.kill(job.process, number)
            if not numbers:
                self._selector.unregister(job.connection)
                self._ask_to_end(job)
        else:
            self._finish(job)

    def _ask_to_end(self, job: Job) -> None:
        if job.killed_at is None:
            job.killed_at = time.monotonic() + SECONDS_TO_SAVE
            _send(job.process, signal.SIGTERM)

    def _kill_late_ones(self) -> None:
        for job in self._jobs:
            if job.killed_at is not None and time.monotonic() > job.killed_at:
                _send(job.process, signal.SIGKILL)

    def _finish(self, job: Job) -> None:
        """Of a copy that has ended; what it started ends with it where nobody waits for that."""
        if job.killed_at is not None:
            _send(job.process, signal.SIGKILL)
        _, status = os.waitpid(job.process, 0)
        with suppress(OSError):
            job.connection.send(str(os.waitstatus_to_exitcode(status)).encode())
        self._selector.unregister(job.watched)
        if job.killed_at is None:
            self._selector.unregister(job.connection)
        os.close(job.watched)
        job.connection.close()
        self._jobs.remove(job)

    def end(self) -> None:
        """Leave nothing to connect to, let what runs save what it did, and kill what does not end."""
        shutil.rmtree(Path(self._listener.getsockname()).parent, ignore_errors=True)
        for job in self._jobs:
            if job.killed_at is None:
                self._selector.unregister(job.connection)
            self._ask_to_end(job)
        while self._jobs:
            ended = [job for job in self._jobs if select.select([job.watched], [], [], 0.05)[0]]
            for job in ended:
                self._finish(job)
            self._kill_late_ones()


def _send(process: int, number: int) -> None:
    """To a copy and what it has started."""
    with suppress(ProcessLookupError):
        try:
            os.killpg(process, number)
        except ProcessLookupError:  # it has no group yet
            os.kill(process, number)


def become(descriptors: list[int], server: int, code: State) -> None:
    """Make a copy what an ordinary start would be, and run `python -m ttame` in it."""
    os.setpgid(0, 0)
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != server:  # it ended before it could take this process with it
        os._exit(1)
    with os.fdopen(descriptors[0]) as file:
        request = json.load(file)
    for number, descriptor in enumerate(descriptors[1:]):
        os.dup2(descriptor, number)
        os.close(descriptor)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())  # type: ignore[union-attr]
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[:], sys.orig_argv[:], sys.path[:] = request["arguments"], request["command"], request["path"]
    keep_or_forget(code, request["package"])
    try:
        runpy.run_module("ttame", run_name="__main__", alter_sys=True)
    except SystemExit as stopped:
        leave(stopped.code if isinstance(stopped.code, int) else 1)


def leave(code: int) -> NoReturn:
    """End without taking the libraries apart: that would first copy all of their memory, which costs more than maps."""
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def load() -> State:
    """Load the libraries and the stages, in a state that can be copied; the state of the stages' files.

    Raises:
        RuntimeError: when one of them has started threads, which a copy would miss.
    """
    for library in LIBRARIES:
        importlib.import_module(library)
    # With its first function it reads all that it knows of types and machine, which takes the better part of a second.
    sys.modules["numba"].njit(lambda: None)()
    code = load_stages()
    if len(list(Path("/proc/self/task").iterdir())) > 1:
        raise RuntimeError("a library has started threads, so stages start without this server")
    gc.freeze()  # a copy need not look through all of this for garbage
    return code


def main() -> None:
    """Load and serve; a copy goes on from here."""
    own_process = os.getpid()
    server = Server(socket.socket(fileno=int(sys.argv[1])))
    try:
        code = load()
    except BaseException:
        server.end()
        raise
    descriptors = server.serve()
    if descriptors is not None:
        become(descriptors, own_process, code)
    leave(0)


if __name__ == "__main__":
    main()
