"""dvc.yaml as Snakemake sees it.

`${item.backbone}` becomes the wildcard `{backbone}` and the rest is looked up in the params. DVC's axes come from the
params, so the outputs of every stage are known before anything runs.
"""

import hashlib
import itertools
import os
import re
import shutil
import sys
from functools import cache, reduce
from pathlib import Path

import yaml

# The working folder holds params.yaml and the results; the package, dvc.yaml and the lock are of the repository in which
# this file lies. Where files alone were fetched, as for a module from GitHub, the package is the one that is installed.
REPOSITORY = Path(workflow.current_basedir.get_path_or_uri(secret_free=True), "..", "..").resolve()
IS_CHECKOUT = (REPOSITORY / "ttame" / "__init__.py").exists()
if IS_CHECKOUT:
    sys.path.insert(0, str(REPOSITORY))
    DESCRIPTION, LOCK = REPOSITORY / "dvc.yaml", REPOSITORY / "requirements.lock"
else:
    DESCRIPTION = Path(workflow.source_path("../../dvc.yaml"))
    LOCK = workflow.source_path("../../requirements.lock")

try:
    import ttame
except ImportError:
    raise WorkflowError("ttame is not installed where Snakemake is; run `pip install ttame` there")

from ttame.errors import TTameError
from ttame.params.active import load_settings
from ttame.params.composition import whole
from ttame.params.contents import WATCHED
from ttame.params.planned import DESCRIBED_BY, digest, values_read

# For jobs, wherever they run, since each reads this file, and for conda, which takes PYTHONPATH itself from them.
os.environ |= {
    DESCRIBED_BY: str(DESCRIPTION),
    "TTAME_CHECKOUT": str(REPOSITORY) if IS_CHECKOUT else "",
    "TTAME_LOCK": str(LOCK),
    "TTAME_VERSION": ttame.__version__,
}

try:
    SETTINGS = load_settings()
except TTameError as error:
    raise WorkflowError(str(error))

PARAMS = whole(SETTINGS)
STAGES = yaml.safe_load(DESCRIPTION.read_text())["stages"]
PAIRS = list(itertools.product(SETTINGS.backbones, SETTINGS.methods.all))
PARTS_FOLDER = ".scratch/parts"
CAPTIONED = ("figure", "page", "tables")
SHOWN_IN_REPORT = (".csv", ".html", ".png")


def look_up(key):
    """The value of a dotted key of the params."""
    return reduce(lambda section, name: section[name], key.split("."), PARAMS)


def to_wildcards(text):
    """DVC's `${item.x}` as Snakemake's `{x}`."""
    return re.sub(r"\$\{item\.(\w+)\}", r"{\1}", text)


def axis_values(values):
    """The values of one axis of a matrix: a list of names, or `${key}` for a list of the params."""
    if isinstance(values, str):
        return look_up(values.strip("${}"))
    return [look_up(value.strip("${}")) if value.startswith("${") else value for value in values]


@cache
def combinations(stage):
    """Every combination of the stage's axes, as dictionaries of wildcards."""
    axes = {name: axis_values(values) for name, values in STAGES[stage]["matrix"].items()}
    return [dict(zip(axes, map(str, values))) for values in itertools.product(*axes.values())]


def allowed_wildcards(stage):
    """Wildcard constraints: no value but those of the experiment, and none at all for a stage without combinations."""
    found = {name: set() for name in STAGES[stage]["matrix"]}
    for wildcards in combinations(stage):
        for name, value in wildcards.items():
            found[name].add(re.escape(value))
    return {name: "|".join(sorted(values)) or "(?!)" for name, values in found.items()}


def files_of(pattern):
    """A folder that a stage writes holds a file for each pair; Snakemake would put a file of its own into a folder."""
    if Path(pattern).suffix:
        return [pattern]
    classifiers = SETTINGS.backbones if Path(pattern).name == "specifications" else []
    files = [f"{backbone}/{method}.json" for backbone, method in PAIRS]
    return [f"{pattern}/{file}" for file in [*files, *(f"{backbone}/classifier.json" for backbone in classifiers)]]


def written(stage):
    """Path patterns of every file that a stage writes; DVC tells metrics and plots from other outputs."""
    entries = [entry for kind in ("outs", "metrics", "plots") for entry in STAGES[stage].get(kind, [])]
    patterns = [to_wildcards(entry if isinstance(entry, str) else next(iter(entry))) for entry in entries]
    return [file for pattern in patterns for file in files_of(pattern)]


def reported(stage):
    """What a stage writes: kept until it is written anew, and marked where `snakemake --report` can show it."""
    found = []
    for path in written(stage):
        shown = stage in CAPTIONED and path.endswith(SHOWN_IN_REPORT)
        caption = f"../report/{stage}.rst"
        found.append(update(report(path, caption=caption, category=stage.capitalize()) if shown else path))
    return found


@cache
def outputs_of(stage):
    """Every file that a stage writes in this experiment."""
    return {pattern.format(**wildcards): None for wildcards in combinations(stage) for pattern in written(stage)}


@cache
def every_output():
    """Every file of the experiment: with the tables alone, a clone that tracks them would have nothing to do."""
    return [path for stage in STAGES for path in outputs_of(stage)]


def code_and_data(stage, wildcards):
    """What a stage depends on: files of the repository, and files or folders of results.

    The folder that DVC watches is none: the files that the params name are among a job's params, wherever they lie.
    """
    deps = [to_wildcards(dep).format(**wildcards) for dep in STAGES[stage]["deps"] if dep != str(WATCHED)]
    made = [dep.startswith("results/") for dep in deps]
    return list(itertools.compress(deps, (not of for of in made))), list(itertools.compress(deps, made))


def command_name(stage):
    """`maps` of the stage `maps_trained`."""
    return STAGES[stage]["cmd"].split()[3]


def axes(stage):
    """`{backbone}.{method}`, as far as the stage has these axes."""
    return ".".join(f"{{{name}}}" for name in STAGES[stage]["matrix"] if name != "experiment")


def inputs(stage, is_part=False):
    """Input function: files of other stages; a folder stands for the files in it. The whole waits for its parts.

    The files of the specifications are for DVC: what they hold is among a job's params here, and as an input they would
    run every pair again, since Snakemake takes what is written anew for something new.
    """

    def files(wildcards):
        found = []
        for path in code_and_data(stage, wildcards)[1]:
            below = [output for output in every_output() if output.startswith(f"{path}/")]
            found += below or [path]
        found = [path for path in found if path not in outputs_of("specifications")]
        # Whether something is newer is for the whole to ask; of a part that is not there it would always be.
        return [ancient(path) for path in found] if is_part else found + markers(stage, wildcards)

    return files


def planned(stage):
    """Params function: a digest of the values that a job reads, so that a change of one runs it again."""
    return lambda wildcards: digest(values_read(STAGES[stage], SETTINGS, dict(wildcards)))


def code(stage):
    """Params function: a digest of the files of the repository that a job depends on."""
    return lambda wildcards: digest_of_files(tuple(code_and_data(stage, wildcards)[0]))


@cache
def digest_of_files(paths):
    """A folder stands for all files in it but documentation. The package lies elsewhere than lists and models."""
    found = hashlib.sha256()
    for name in paths:
        path = Path(ttame.__file__).parents[1] / name if Path(name).parts[0] == "ttame" else Path(name)
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix != ".md" and "__pycache__" not in file.parts:
                found.update(f"{Path(name, file.relative_to(path))}\n".encode() + file.read_bytes())
    return found.hexdigest()[:16]


def command(stage, is_part=False):
    """Params function: DVC's command, of a part with its number."""
    text = to_wildcards(STAGES[stage]["cmd"]) + (" --part {part}/{parts}" if is_part else "")
    return lambda wildcards: text.format(**wildcards)


def log_file(stage, is_part=False):
    """`logs/<experiment>/<command>/<backbone>.<method>.log`."""
    return f"{Path('logs', '{experiment}', command_name(stage), axes(stage))}{'.{part}-of-{parts}.{state}' if is_part else ''}.log"
