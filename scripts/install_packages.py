"""Install a lock into the environment of this Python, and say how far that is: it takes minutes.

    VENV/bin/python scripts/install_packages.py requirements.lock

It says so on standard error, since `make -s venv` prints the environment's folder for a shell to take. Needs nothing
but Python: it runs before anything is installed.
"""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import threading
import time
from pathlib import Path

PIP = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--progress-bar", "off"]


class Line:
    """One line of a terminal, written anew; in a log a line for every tenth."""

    def __init__(self) -> None:
        self._said = ""

    def say(self, done: int, total: int, what: str) -> None:
        """`what` is being done with the package `done` of `total`."""
        text = f"{done:>5}/{total} {what}"
        if sys.stderr.isatty():
            print(f"\r\x1b[K{text[:100]}", end="", file=sys.stderr, flush=True)
        elif (tenth := f"{10 * done // max(1, total)} {what.split(maxsplit=1)[0]}") != self._said:
            print(text, file=sys.stderr, flush=True)
            self._said = tenth


def install(lock: Path) -> int:
    """The exit code of pip, whose errors are seen as it writes them."""
    start, line, fetched = time.monotonic(), Line(), 0
    total = sum("==" in text and not text.startswith((" ", "#")) for text in lock.read_text().splitlines())
    command = [*PIP, "--require-hashes", "--requirement", str(lock)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pip:
        assert pip.stdout is not None
        for text in pip.stdout:
            words = text.split()
            if text.startswith("Ignoring "):  # of another system or Python
                total -= 1
            elif text.startswith(("Collecting ", "Processing ", "Requirement already satisfied: ")):
                fetched += 1
                line.say(fetched, total, f"fetching {words[1] if words[0] != 'Requirement' else words[3]}")
            elif text.startswith("  Downloading "):
                line.say(fetched, total, f"fetching {' '.join(words[1:])}")
            elif text.startswith("Installing collected packages"):
                threading.Thread(target=_watch, args=[pip, line, total], daemon=True).start()
    minutes, seconds = divmod(round(time.monotonic() - start), 60)
    if pip.returncode == 0:
        print(f"\n{total} packages installed in {minutes}:{seconds:02d}", file=sys.stderr)
    return pip.returncode


def _watch(pip: subprocess.Popen[str], line: Line, total: int) -> None:
    """Say how many packages there are until pip, which does not, has installed all."""
    packages = Path(sysconfig.get_path("purelib"))
    before = len(list(packages.glob("*.dist-info")))
    while pip.poll() is None:
        line.say(min(total, len(list(packages.glob("*.dist-info"))) - before), total, "installed")
        time.sleep(1)


if __name__ == "__main__":
    sys.exit(install(Path(sys.argv[1])))
