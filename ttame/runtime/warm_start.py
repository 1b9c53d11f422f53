"""Stages that start in a copy of a process that has already loaded libraries and code, which take seconds of CPU a job.

An engine calls `start`; then every `python -m ttame STAGE` that it runs hands itself over to `warm_server`, waits, and
ends as its copy ended. Without a server, or with one that is not this user's or not of this Python, a stage starts as
usual. Nothing heavy is imported here.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ttame.params.settings import ExecutionSettings

VARIABLE = "TTAME_WARM_START"
"""Environment variable with the path of the server's socket."""

STARTED = b"+"
"""The server's first word, once the copy runs; the second, at the end, is its exit code or minus its signal."""

WITHOUT_THREADS = {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
"""Environment in which numpy and pyarrow start no threads when they are loaded: a copy would miss them."""

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

_PACKAGE = Path(__file__).parents[1]

_servers: list[subprocess.Popen[bytes]] = []


def start(execution: ExecutionSettings) -> None:
    """Start a server that ends with this process, however it ends, and name it in the environment.

    Returns at once: who connects before the libraries are loaded waits. Nothing is started where jobs start processes
    of their own, where they may use a GPU, which a copy of a process cannot, and elsewhere than on Linux.
    """
    one_process = execution.devices * execution.nodes == 1
    gpu = execution.device != "cpu" and any(Path("/dev").glob("nvidia*"))
    if sys.platform != "linux" or not one_process or gpu:
        return
    if execution.portable:
        # The server and the commands that hand themselves over are of one arithmetic from their start.
        from ttame.runtime.portable import portable_environment

        os.environ.update(portable_environment())
    # Not below TMPDIR, since the path of a socket may have 107 bytes.
    path = Path(tempfile.mkdtemp(prefix="ttame-", dir="/tmp")) / _socket_name()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1024)
        # The server holds the reading end of a pipe whose only writing end is here: it reads the end of this process.
        server = subprocess.Popen(
            [sys.executable, "-m", "ttame.runtime.warm_server", str(listener.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd=_PACKAGE.parent,
            env=os.environ | WITHOUT_THREADS,
            pass_fds=[listener.fileno()],
            start_new_session=True,
        )
    _servers.append(server)
    os.environ[VARIABLE] = str(path)


def run_warm(arguments: list[str]) -> int | None:
    """The exit code of a command that a server ran, or None when it has to be run here.

    Signals that ask to stop are passed on, and a copy that died of a signal takes this process with it.
    """
    path = Path(os.environ.get(VARIABLE, ""))
    is_stage = bool(arguments) and (_PACKAGE / "stages" / f"{arguments[0]}.py").is_file()
    if not is_stage or path.name != _socket_name():
        return None
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            if path.stat().st_uid != os.getuid():
                return None
            connection.connect(str(path))
            _send_request(connection)
            if connection.recv(1) != STARTED:
                return None
        except OSError:
            return None
        return _as_exit_code(_wait(connection))


def _socket_name() -> str:
    """Another Python, and another version of what is said on the socket, have another name."""
    files = (Path(__file__).with_name(f"{name}.py") for name in ("warm_start", "warm_server", "loaded_code"))
    said = b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(f"{Path(sys.prefix).resolve()} {sys.version}".encode() + said).hexdigest()[:16]


def _send_request(connection: socket.socket) -> None:
    """All that an ordinary start would have: where, with what arguments, environment, and the three standard files."""
    request = {
        "folder": str(Path.cwd()),
        "environment": {name: value for name, value in os.environ.items() if name != VARIABLE},
        "arguments": sys.argv,
        "command": sys.orig_argv,
        "path": sys.path,
        "package": str(_PACKAGE),
    }
    with os.fdopen(os.memfd_create("request"), "w+") as file:
        json.dump(request, file)
        file.seek(0)
        socket.send_fds(connection, [STARTED], [file.fileno(), 0, 1, 2])


def _wait(connection: socket.socket) -> int:
    """The exit code of the copy, or minus the signal that it died of."""

    def forward(number: int, _: FrameType | None) -> None:
        with contextlib.suppress(OSError):
            connection.send(bytes([number]))

    for number in FORWARDED:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, forward)
    said = b""
    with contextlib.suppress(ConnectionError):
        while part := connection.recv(16):
            said += part
    return int(said or -signal.SIGKILL)  # a server that ends without a word has killed what it ran


def _as_exit_code(status: int) -> int:
    if status < 0:
        if -status != signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
    return abs(status)
