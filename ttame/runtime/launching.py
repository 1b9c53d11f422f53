"""Who starts the processes of one training: torchrun, Slurm, or this process."""

from __future__ import annotations

import os
import shutil
import sys
from typing import NoReturn

from lightning_fabric.plugins.environments import ClusterEnvironment, LightningEnvironment, TorchElasticEnvironment

from ttame.errors import TTameError
from ttame.params.settings import ExecutionSettings
from ttame.runtime.speaking import share_last_word


def environment_of_processes(execution: ExecutionSettings) -> ClusterEnvironment | None:
    """How the processes find each other; None leaves it to Fabric, which asks torchrun or Slurm.

    A Slurm job of several nodes runs its command once, on the first; then this starts it again on all of them with
    `srun`, in place of this process, and does not return.

    Raises:
        TTameError: when others started another number of processes than the params ask for, or nobody can start them
            on several nodes.
    """
    wanted, started = execution.devices * execution.nodes, _started()
    asked = f"params.yaml: execution.devices x nodes is {execution.devices} x {execution.nodes}"
    if started not in (1, wanted):
        raise TTameError(f"{asked} but {started} processes were started; make them equal")
    if started > 1:
        if not TorchElasticEnvironment.detect() and os.environ.get("SLURM_NTASKS_PER_NODE") != str(execution.devices):
            raise TTameError(f"{asked}; start it with srun --ntasks-per-node={execution.devices}")
        return None
    if execution.nodes == 1:
        # Said to Fabric, which takes any job of Slurm for one whose processes Slurm starts, and then trains on one GPU.
        return LightningEnvironment()
    if "SLURM_JOB_ID" in os.environ and shutil.which("srun") is not None:
        _start_with_slurm(execution)
    raise TTameError(
        f"{asked} but nothing started a process on each node; run the command in a job of Slurm or under torchrun "
        f"--nnodes {execution.nodes} --nproc-per-node {execution.devices}, or set execution.nodes to 1"
    )


def _started() -> int:
    """How many processes torchrun or `srun` started of this command."""
    if TorchElasticEnvironment.detect():
        return int(os.environ["WORLD_SIZE"])
    return int(os.environ.get("SLURM_STEP_NUM_TASKS", "1"))


def _start_with_slurm(execution: ExecutionSettings) -> NoReturn:
    """Become `srun` of the same command, one task a device, in the job's own allocation."""
    cores = execution.threads + execution.workers
    command = ["srun", f"--nodes={execution.nodes}", f"--ntasks-per-node={execution.devices}"]
    command += [f"--cpus-per-task={cores}", "--overlap", "--kill-on-bad-exit=1", sys.executable, *sys.orig_argv[1:]]
    share_last_word()
    sys.stdout.flush()
    os.execvp("srun", command)
