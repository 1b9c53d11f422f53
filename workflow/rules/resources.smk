"""What a job asks of a machine or a cluster, which DVC has no word for.

Memory and time below are for jobs of which no plan (`python -m ttame plan`) tells. By a plan, memory is more where it
says so, and time is what the job takes, three times over, but never more than below: a partition may allow no more, and
every job that a plan tells of goes on where its time ended. A job that is tried again asks for more.
"""

from ttame.cli.job_sizes import TOGETHER, asked

EXECUTION = PARAMS["execution"]


def cores(processes=1):
    """CPU cores of a task: of each of its processes, the threads that compute and the workers that decode."""
    return processes * (EXECUTION["threads"] + EXECUTION["workers"])


def gpus(count=1):
    """GPUs of a job; a cluster would look for them in vain where the params say that the CPU computes."""
    return 0 if EXECUTION["device"] == "cpu" else count


def of_one_process(mem_mb=8000, runtime=720):
    """A job that goes through the images with one classifier."""
    return {"threads": cores(), "resources": {"gpu": gpus(), "mem_mb": mem_mb, "runtime": runtime}}


def of_processes(mem_mb, runtime):
    """A job of `execution.devices` processes on each of `execution.nodes`.

    On one node they are one task, in which the first starts the others; on several they are a task each, and `mpi` tells
    Snakemake's Slurm plugin that the command starts them itself. Memory and time are those of one process.
    """
    devices, nodes = EXECUTION["devices"], EXECUTION["nodes"]
    resources = {"gpu": gpus(devices * nodes), "mem_mb": mem_mb * devices, "runtime": runtime}
    if nodes > 1:
        resources |= {"nodes": nodes, "tasks": devices * nodes, "mpi": "srun"}
    return {"threads": cores(devices if nodes == 1 else 1), "resources": resources}


def of_one_core(mem_mb, runtime):
    """A job that uses no classifier."""
    return {"threads": 1, "resources": {"mem_mb": mem_mb, "runtime": runtime}}


ASKED = {
    "specifications": of_one_core(1000, 10),
    "datalists": of_one_core(4000, 240),
    "truths": of_processes(8000, 720),
    "train": of_processes(16000, 1440),
    "maps": of_one_process(),
    "maps_trained": of_one_process(),
    "scores": of_one_process(),
    "scores_trained": of_one_process(),
    "sanity": of_one_process(),
    "sanity_trained": of_one_process(),
    "basis": of_one_process(),
    "measure": of_one_process(),
    "measure_trained": of_one_process(),
    "sensitivity": of_one_process(),
    "figure": of_one_core(4000, 30),
    "tables": of_one_core(4000, 30),
    "page": of_one_core(8000, 60),
}


def resources(stage):
    """Cores aside, what a job asks for; of processes together the memory is that of all on a node."""
    found = ASKED[stage]["resources"]
    processes = EXECUTION["devices"] if command_name(stage) in TOGETHER else 1

    def by_plan(wildcards):
        return asked(SETTINGS, PLAN, job_name(stage, wildcards), parts(stage, wildcards))

    def mem_mb(wildcards, attempt):
        told = by_plan(wildcards)
        first = found["mem_mb"] if told is None else max(found["mem_mb"], int(processes * told.memory / 1e6))
        return first * (1 + attempt) // 2

    def runtime(wildcards, attempt):
        told = by_plan(wildcards)
        return found["runtime"] if told is None else min(found["runtime"], attempt * told.minutes)

    return found | {"mem_mb": mem_mb, "runtime": runtime}
