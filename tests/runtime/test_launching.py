"""The processes of a training, started by this process, by torchrun and by Slurm."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
import torch

from ttame.errors import TTameError
from ttame.params.settings import ExecutionSettings
from ttame.runtime.launching import environment_of_processes

from ..attention.steps_of_processes import train_steps

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
ONE_TASK = {"SLURM_JOB_ID": "71", "SLURM_NTASKS": "1", "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0"}
"""What a job of one task sees."""

SRUN = """#!{python}
# Starts a task a node on this machine, with the variables that srun 22.05 gives them.
import os, subprocess, sys
options = dict(word[2:].partition("=")[::2] for word in sys.argv[1:] if word.startswith("--"))
command = sys.argv[1 + len(options):]
nodes, each = int(options["nodes"]), int(options["ntasks-per-node"])
assert options["cpus-per-task"] == "1"
tasks = []
for task in range(nodes * each):
    found = {{"NTASKS": nodes * each, "STEP_NUM_TASKS": nodes * each, "NTASKS_PER_NODE": each, "NNODES": nodes}}
    found |= {{"PROCID": task, "LOCALID": task % each, "NODEID": task // each, "NODELIST": "localhost,localhost"}}
    variables = os.environ | {{f"SLURM_{{name}}": str(value) for name, value in found.items()}}
    tasks.append(subprocess.Popen(command, env=variables))
sys.exit(max(task.wait() for task in tasks))
"""


def _execution(devices: int, nodes: int) -> ExecutionSettings:
    return ExecutionSettings(devices=devices, nodes=nodes)


@pytest.fixture(scope="module")
def expected(tmp_path_factory) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = train_steps(tmp_path_factory.mktemp("one"), ["random"])["random"]
    return found


def _hold_against(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor]) -> None:
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, atol=1e-4, rtol=1e-4, msg=name)


@pytest.mark.slow
def test_a_task_of_slurm_starts_the_other_processes_of_its_node(expected, tmp_path) -> None:
    _hold_against(expected, train_steps(tmp_path, ["random"], devices=2, environment=ONE_TASK)["random"])


@pytest.mark.slow
def test_torchrun(expected, tmp_path) -> None:
    _hold_against(expected, train_steps(tmp_path, ["random"], devices=2, starter=TORCHRUN)["random"])


@pytest.mark.slow
def test_a_job_of_two_nodes_starts_itself_on_both(expected, tmp_path: Path) -> None:
    srun = tmp_path / "srun"
    srun.write_text(SRUN.format(python=sys.executable))
    srun.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    # Snakemake's plugin for Slurm leaves no more of the job's variables.
    found = train_steps(tmp_path, ["random"], nodes=2, environment={"PATH": path, "SLURM_JOB_ID": "71"})
    _hold_against(expected, found["random"])


@pytest.mark.parametrize(
    ("devices", "nodes", "variables", "message"),
    [
        (2, 2, {}, "2 x 2 but nothing started a process on each node"),
        (1, 1, {"SLURM_STEP_NUM_TASKS": "4"}, "1 x 1 but 4 processes were started; make them equal"),
        (2, 2, {"SLURM_STEP_NUM_TASKS": "2"}, "2 x 2 but 2 processes were started; make them equal"),
        (1, 2, {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "3"}, "1 x 2 but 3 processes were started"),
        (2, 1, {"SLURM_STEP_NUM_TASKS": "2"}, "start it with srun --ntasks-per-node=2"),
    ],
)
def test_other_processes_than_asked_for(monkeypatch, devices, nodes, variables, message) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TTameError, match=message):
        environment_of_processes(_execution(devices, nodes))
