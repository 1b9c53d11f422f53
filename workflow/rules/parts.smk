"""Several jobs for the images of one pair: each finishes its share of the batches and leaves them where the unchanged
command, which resumes after a kill, finds and joins them.

A job of a part has no result, only an empty file for the engine, which goes when the whole is there. Its name holds all
that decides whether the finished batches are found again: what was finished under other params, code or batches is of
another name, so that it neither stands for these nor, taken back, makes anything anew.
"""

from ttame.cli.arguments import PARTED

PARTS = SETTINGS.execution.parts
BATCHES = [EXECUTION["batch_size"], EXECUTION["portable"], PARTS]


def is_parted(stage):
    """Whether several jobs share its images."""
    return PARTS > 1 and command_name(stage) in PARTED


def marker(stage):
    """Path pattern of the empty file."""
    return f"{PARTS_FOLDER}/{{experiment}}/{command_name(stage)}/{axes(stage)}/{{part}}-of-{PARTS}.{{state}}"


def markers(stage, wildcards):
    """The files that the whole waits for."""
    if not is_parted(stage):
        return []
    made_of = [STAGES[stage], BATCHES, planned(stage)(wildcards), digest_of_files(("ttame",))]
    state = digest(dict(enumerate(made_of)))
    return [marker(stage).format(**wildcards, part=number, state=state) for number in range(1, PARTS + 1)]
