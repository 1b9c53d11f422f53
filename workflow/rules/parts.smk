"""Several jobs for the images of one pair: each finishes its share of the batches and leaves them where the unchanged
command, which resumes after a kill, finds and joins them.

A job of a part has no result, only an empty file for the engine, which goes when the whole is there.
"""

from ttame.cli.arguments import PARTED

PARTS = SETTINGS.execution.parts


def is_parted(stage):
    """Whether several jobs share its images."""
    return PARTS > 1 and command_name(stage) in PARTED


def marker(stage):
    """Path pattern of the empty file."""
    return f"{PARTS_FOLDER}/{{experiment}}/{command_name(stage)}/{axes(stage)}/{{part}}-of-{PARTS}"


def markers(stage, wildcards):
    """The files that the whole waits for."""
    numbers = range(1, PARTS + 1) if is_parted(stage) else []
    return [marker(stage).format(**wildcards, part=number) for number in numbers]
