"""A Slurm of two nodes on this machine, for a test."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "sinfo")
NODES = ("one", "two")
WHERE = Path("/etc/slurm/slurm.conf")
"""Jobs look for the configuration there; Snakemake's plugin takes SLURM_CONF out of their environment."""
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
MinJobAge=3600
SlurmdTimeout=10
ReturnToService=0
JobRequeue=0
KillWait=2
{nodes}
PartitionName=all Nodes=one,two Default=YES MaxTime=INFINITE State=UP
"""


def is_installed() -> bool:
    """Whether Slurm is here but no cluster, and a user who may start one."""
    return os.geteuid() == 0 and not WHERE.exists() and all(shutil.which(program) for program in PROGRAMS)


@contextlib.contextmanager
def two_nodes(folder: Path, cores: int) -> Iterator[None]:
    """Start a controller and two nodes of so many cores each, and stop them."""
    ports = _free_ports(1 + len(NODES))
    lines = [
        f"NodeName={name} NodeHostname={socket.gethostname()} NodeAddr=127.0.0.1 Port={port} CPUs={cores} "
        "RealMemory=64000 State=UNKNOWN"
        for name, port in zip(NODES, ports[1:], strict=True)
    ]
    (folder / "state").mkdir(parents=True)
    WHERE.parent.mkdir(exist_ok=True)
    WHERE.write_text(
        CONFIGURATION.format(host=socket.gethostname(), port=ports[0], folder=folder, nodes="\n".join(lines))
    )
    commands = [["slurmctld", "-D"], *(["slurmd", "-D", "-N", name] for name in NODES)]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        quiet = subprocess.DEVNULL
        processes.extend(subprocess.Popen(command, stdout=quiet, stderr=quiet) for command in commands)
        _wait_for_nodes(folder)
        yield
    finally:
        WHERE.unlink()
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()


def take_away(node: str) -> None:
    """A node fails, with all jobs on it."""
    subprocess.run(["scontrol", "update", f"nodename={node}", "state=down", "reason=taken away"], check=True)


def jobs(states: str = "all") -> list[tuple[str, str, str]]:
    """Node, state and comment (what Snakemake calls the job) of every job."""
    command = ["squeue", "--noheader", f"--states={states}", "--format=%N;%T;%k"]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = [line.split(";", 2) for line in told.splitlines()]
    return [(node, state, comment) for node, state, comment in found]


def _wait_for_nodes(folder: Path) -> None:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        command = ["sinfo", "--noheader", "--Node", "--format=%T"]
        told = subprocess.run(command, check=False, capture_output=True, text=True)
        if told.stdout.split() == ["idle"] * len(NODES):
            return
        time.sleep(0.5)
    logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
    raise AssertionError(f"Slurm did not start:\n{logs}")


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
