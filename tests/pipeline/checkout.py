"""A repository with the working tree's files and params of a test's own, and commands in it."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from ..conftest import REPOSITORY

BINARIES = Path(sys.executable).parent


def shell(folder: Path, *arguments: str, check: bool = True, **environment: str) -> str:
    """Output and messages of a command, the environment's programs first."""
    variables = {**os.environ, "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}", "GIT_CONFIG_COUNT": "2"}
    for number, (key, value) in enumerate((("user.name", "t"), ("user.email", "t@t"))):
        variables |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    variables |= environment
    done = subprocess.run(arguments, cwd=folder, env=variables, check=False, capture_output=True, text=True)
    output = done.stdout + done.stderr
    assert not check or done.returncode == 0, output
    return output


def copy_checkout(folder: Path, params: dict[str, Any]) -> Path:
    """The working tree's files, without results, committed in `folder` with these params."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in listed.stdout.splitlines():
        is_there = (REPOSITORY / name).is_file() or (REPOSITORY / name).is_symlink()
        if is_there and not name.startswith(("results/", "dvc.lock")):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(REPOSITORY / name, folder / name, follow_symlinks=False)
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))
    shell(folder, "git", "init", "--quiet")
    shell(folder, "git", "add", "--all")
    shell(folder, "git", "commit", "--quiet", "--message", "origin")
    return folder


def make(folder: Path, target: str, check: bool = True) -> str:
    """`make` with the environment of this process."""
    return shell(folder, "make", f"VENV={sys.prefix}", target, check=check)


def hashes(folder: Path) -> dict[str, str]:
    """Digest of every result but the measurements and the page that shows those."""
    files = [path for path in (folder / "results/tiny").rglob("*") if path.is_file()]
    files = [path for path in files if "cost" not in str(path) and path.name != "measured.html"]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
