"""What a stage ran with and how long it took: facts beside the results, since they differ from run to run."""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ttame.errors import reason_of
from ttame.params.settings import Settings
from ttame.runtime.speaking import is_first
from ttame.store.artifacts import write_text

PACKAGES = ("torch", "torchvision", "timm", "transformers", "open_clip_torch", "numpy", "pandas", "scipy")

ON_DEVICE = frozenset({"truths", "train", "maps", "scores", "sanity"})
"""Stages that compute on the device of the params. The others read and write files, some of them without torch."""


@contextmanager
def recorded(settings: Settings, stage: str, wildcards: Sequence[str], part: str | None = None) -> Iterator[None]:
    """Write the facts of a stage when it ends well, from the first of its processes.

    The whole counts the seconds of its parts as its own, and forgets them.
    """
    started = time.perf_counter()
    yield
    if not is_first():
        return
    job = ".".join([stage, *wildcards])
    seconds = time.perf_counter() - started
    if part is None:
        for file in _folder(settings).glob(f"{job}.part-*.json"):
            facts_of_part = _record(file)
            seconds += 0.0 if facts_of_part is None else float(facts_of_part["seconds"])
            file.unlink(missing_ok=True)
    facts = {
        "stage": " ".join([stage, *wildcards]),
        "seconds": round(seconds, 2),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "device": _device(settings) if stage in ON_DEVICE else "CPU",
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **versions()},
    }
    name = job if part is None else f"{job}.part-{part.replace('/', '-of-')}"
    write_text(_folder(settings) / f"{name}.json", json.dumps(facts, indent=2) + "\n")


def read_records(settings: Settings) -> list[dict[str, Any]]:
    """The facts of every stage that ran here, the first to finish first; a clone with pulled results has none."""
    found = [_record(file) for file in _folder(settings).glob("*.json")]
    return sorted((facts for facts in found if facts is not None), key=lambda facts: facts["finished"])


def _record(file: Path) -> dict[str, Any] | None:
    """None for a broken one, which is said: no result depends on it."""
    try:
        facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        str(facts["finished"]), float(facts["seconds"]), dict(facts["versions"]), str(facts["stage"] + facts["device"])
        facts["commit"]
    except (KeyError, TypeError, ValueError) as error:
        reason = reason_of(error)
        print(f"warning: {file}: not the record of a stage ({reason}); left out", file=sys.stderr)
        return None
    return facts


def _folder(settings: Settings) -> Path:
    return Path("logs") / settings.experiment / "stages"


def _device(settings: Settings) -> str:
    import torch  # these stages have loaded it by now

    from ttame.runtime.device import device_name

    wanted = settings.execution.device
    cuda = wanted != "cpu" and torch.cuda.is_available()  # a pair that is not defined needs none
    return device_name(torch.device("cuda" if cuda else "cpu"))


def _commit() -> str | None:
    """The git commit, with a plus sign when tracked files differ from it."""
    try:
        head = subprocess.run(["git", "rev-parse", "--short=10", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def versions(packages: Sequence[str] = PACKAGES) -> dict[str, str]:
    """Of those that are installed."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
