"""dvc.yaml as Snakemake sees it.

`${item.backbone}` becomes the wildcard `{backbone}` and the rest is looked up in the params. The rules add only what
DVC has no word for, such as threads, memory, time and a log. DVC's axes come from the params, so the outputs of every
stage are known before anything runs.
"""

import itertools
import json
import re
import sys
from functools import reduce
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(workflow.basedir)))

from ttame.errors import TTameError
from ttame.params.reading import parse_settings

try:
    parse_settings(config, "params.yaml")
except TTameError as error:
    raise WorkflowError(str(error))

STAGES = yaml.safe_load(Path(workflow.basedir, "dvc.yaml").read_text())["stages"]


SHOWN_IN_REPORT = (".csv", ".html", ".png")


def look_up(key):
    """The value of a dotted key of the params."""
    return reduce(lambda section, name: section[name], key.split("."), config)


def to_wildcards(text):
    """DVC's `${item.x}` as Snakemake's `{x}`."""
    return re.sub(r"\$\{item\.(\w+)\}", r"{\1}", text)


def paths(stage, *kinds):
    """Path patterns of a stage's deps, or of what it writes."""
    entries = [entry for kind in kinds for entry in STAGES[stage].get(kind, [])]
    return [to_wildcards(entry if isinstance(entry, str) else next(iter(entry))) for entry in entries]


def written(stage):
    """Path patterns of everything that a stage writes; DVC tells metrics and plots from other outputs."""
    return paths(stage, "outs", "metrics", "plots")


def reported(stage, category):
    """What a stage writes, marked for `snakemake --report` where the report can show it."""
    caption = f"../report/{stage}.rst"
    found = []
    for path in written(stage):
        shown = path.endswith(SHOWN_IN_REPORT)
        found.append(report(path, caption=caption, category=category) if shown else path)
    return found


def axis_values(values):
    """The values of one axis of a matrix: a list of names, or `${key}` for a list of the params."""
    if isinstance(values, str):
        return look_up(values.strip("${}"))
    return [look_up(value.strip("${}")) if value.startswith("${") else value for value in values]


def combinations(stage):
    """Every combination of the stage's axes, as a dictionary of wildcards."""
    axes = {name: axis_values(values) for name, values in STAGES[stage]["matrix"].items()}
    return [dict(zip(axes, values)) for values in itertools.product(*axes.values())]


def outputs_of(stage):
    """Every file that a stage writes in this experiment."""
    return [pattern.format(**wildcards) for wildcards in combinations(stage) for pattern in written(stage)]


def every_output():
    """Every file of the experiment: with the tables alone, a clone that tracks them would have nothing to do."""
    return [path for stage in STAGES for path in outputs_of(stage)]


def dependencies(stage):
    """Input function: files of other stages, and the code; a folder stands for the files in it."""

    def files(wildcards):
        produced = every_output()
        found = []
        for pattern in paths(stage, "deps"):
            path = pattern.format(**wildcards)
            below = [output for output in produced if output.startswith(f"{path}/")]
            if not below and Path(path).is_dir():
                below = [str(file) for file in sorted(Path(path).rglob("*")) if is_source(file)]
            found += below or [path]
        return found

    return files


def is_source(file):
    return file.is_file() and file.suffix != ".md" and "__pycache__" not in file.parts


def parameters(stage):
    """Params function: the values of the keys that the stage depends on, so that a change of one reruns it."""

    def values(wildcards):
        keys = [to_wildcards(key).format(**wildcards) for key in STAGES[stage]["params"]]
        return json.dumps({key: look_up(key) for key in keys}, sort_keys=True)

    return values


def axes(stage):
    """Wildcard constraints: no value but those of the experiment, and none at all for a stage without combinations."""
    if not combinations(stage):
        return {name: "(?!)" for name in STAGES[stage]["matrix"]}
    found = {}
    for wildcards in combinations(stage):
        for name, value in wildcards.items():
            found.setdefault(name, set()).add(re.escape(value))
    return {name: "|".join(sorted(values)) for name, values in found.items()}


def cores(processes=1):
    """CPU cores of a task: of each of its processes, the threads that compute and the workers that decode."""
    return processes * (config["execution"]["threads"] + config["execution"]["workers"])


def gpus(count=1):
    """GPUs of a job; a cluster would look for them in vain where the params say that the CPU computes."""
    return 0 if config["execution"]["device"] == "cpu" else count


def processes_of_task():
    """A training's processes are one task on one node, where the first starts the others, and a task each on several."""
    return config["execution"]["devices"] if config["execution"]["nodes"] == 1 else 1


def training_resources():
    """GPUs and, for several nodes, tasks; `mpi` tells Snakemake's Slurm plugin that the command starts them itself."""
    devices, nodes = config["execution"]["devices"], config["execution"]["nodes"]
    found = {"gpu": gpus(devices * nodes)}
    return found if nodes == 1 else found | {"nodes": nodes, "tasks": devices * nodes, "mpi": "srun"}


def command(stage):
    """DVC's command, its messages shown and kept in the log."""
    return f"({to_wildcards(STAGES[stage]['cmd'])}) 2>&1 | tee {{log}}".replace("{backbone}", "{wildcards.backbone}").replace(
        "{method}", "{wildcards.method}"
    )
