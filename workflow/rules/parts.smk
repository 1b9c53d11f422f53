"""Several jobs for the images of one pair: each finishes its share of the batches and leaves them where the unchanged
command, which resumes after a kill, finds and joins them.

A job of a part has no result, only an empty file for the engine, which goes when the whole is there. Its name holds all
that decides whether the finished batches are found again: what was finished under other params, code or batches is of
another name, so that it neither stands for these nor, taken back, makes anything anew.

How many parts a job has is in PARTS, which the run decides once. It goes to the jobs in their environment: where one plans
again, on another machine or after another `ttame plan`, it finds what its own run has decided, and no other run's.
"""

import base64
import json
import zlib

from ttame.cli.job_sizes import parts_of
from ttame.cli.plan_file import JobName, known_plan

BATCHES = [PARAMS["execution"]["batch_size"], PARAMS["execution"]["portable"]]
DECIDED = "TTAME_PARTS"

PLAN, SAID = known_plan(SETTINGS)
if SAID and workflow.is_main_process:
    print(SAID, file=sys.stderr)


def job_name(stage, wildcards):
    """The job as the plan names it."""
    backbone, method, measure = (wildcards.get(axis, "") for axis in ("backbone", "method", "measure"))
    seed = wildcards.get("seed")
    return JobName(command_name(stage), backbone, method, None if seed is None else int(seed), measure)


def one_word(name):
    return ".".join(str(word) for word in name if word not in (None, ""))


def decide_parts():
    """How many parts every job has that has several."""
    names = [job_name(stage, wildcards) for stage in STAGES for wildcards in combinations(stage)]
    found = {one_word(name): parts_of(SETTINGS, PLAN, name) for name in names}
    return {word: count for word, count in found.items() if count > 1}


told = None if workflow.is_main_process else os.environ.get(DECIDED)
PARTS = decide_parts() if told is None else json.loads(zlib.decompress(base64.b64decode(told)))
# Thousands of names would be more than the environment may hold.
os.environ[DECIDED] = base64.b64encode(zlib.compress(json.dumps(PARTS).encode())).decode()


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
