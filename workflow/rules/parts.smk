"""Several jobs for the images of one pair: each finishes its share of the batches and leaves them where the unchanged
command, which resumes after a kill, finds and joins them.

A job of a part has no result, only an empty file for the engine, which goes when the whole is there. Its name holds all
that decides whether the finished batches are found again: what was finished under other params, code or batches is of
another name, so that it neither stands for these nor, taken back, makes anything anew.

How many parts a job has is in PARTS, which the run decides once: where a job plans again, on another machine or after
another `ttame plan`, it reads what the run has decided.
"""

import json

from ttame.cli.job_sizes import JobName, parts_of
from ttame.cli.plan_file import plan_of

BATCHES = [PARAMS["execution"]["batch_size"], PARAMS["execution"]["portable"]]
DECIDED = Path(PARTS_FOLDER, f"{SETTINGS.experiment}.json")

try:
    PLAN = plan_of(SETTINGS)
except TTameError as error:
    raise WorkflowError(str(error))
if PLAN is None and SETTINGS.execution.parts == "auto" and workflow.is_main_process:
    print(
        "execution.parts: auto, but `python -m ttame plan` never ran with these params: a part for every 5000 images",
        file=sys.stderr,
    )


def job_name(stage, wildcards):
    """The job as the plan names it."""
    seed = wildcards.get("seed")
    method = wildcards.get("method", wildcards.get("measure", ""))
    return JobName(command_name(stage), wildcards.get("backbone", ""), method, None if seed is None else int(seed))


def one_word(name):
    return ".".join(str(part) for part in name if part is not None)


def decide_parts():
    """How many parts every job has that has several."""
    names = [job_name(stage, wildcards) for stage in STAGES for wildcards in combinations(stage)]
    found = {one_word(name): parts_of(SETTINGS, PLAN, name) for name in names}
    return {word: count for word, count in found.items() if count > 1}


def remember_parts():
    """For the jobs of this run."""
    DECIDED.parent.mkdir(parents=True, exist_ok=True)
    DECIDED.write_text(json.dumps(PARTS, indent=1) + "\n")


PARTS = decide_parts() if workflow.is_main_process or not DECIDED.exists() else json.loads(DECIDED.read_text())


def parts(stage, wildcards):
    """How many jobs share the images of one."""
    return PARTS.get(one_word(job_name(stage, wildcards)), 1)


def is_parted(stage):
    """Whether several jobs share the images of any of its jobs."""
    return any(parts(stage, wildcards) > 1 for wildcards in combinations(stage))


def marker(stage):
    """Path pattern of the empty file."""
    return f"{PARTS_FOLDER}/{{experiment}}/{command_name(stage)}/{axes(stage)}/{{part}}-of-{{parts}}.{{state}}"


def markers(stage, wildcards):
    """The files that the whole waits for."""
    count = parts(stage, wildcards)
    if count == 1:
        return []
    made_of = [STAGES[stage], BATCHES, count, planned(stage)(wildcards), digest_of_files(("ttame",))]
    state = digest(dict(enumerate(made_of)))
    names = [{**wildcards, "part": number, "parts": count, "state": state} for number in range(1, count + 1)]
    return [marker(stage).format(**name) for name in names]
