"""What was finished stays until something newer is, and what a failed job leaves is recorded as what it was.

Outputs are flagged `update`: Snakemake then leaves the old files where they are, sets them aside before the job and puts
them back if it fails. It would copy them, which is slow for maps, and would record them as made by the job that failed.
"""

from snakemake.persistence import PersistenceBase


class Kept:
    """Of the outputs of jobs of this run: what a failed one put back, and what an earlier run had left unfinished."""

    put_back = {}
    unfinished = {}
    start = PersistenceBase.started
    record = PersistenceBase.finished
    inputs_of = PersistenceBase._input


def set_aside(persistence, path):
    """A second name for the file; stages never write into a file that exists, they give a new one its name."""
    aside = persistence._get_backup_path(path)
    aside.parent.mkdir(parents=True, exist_ok=True)
    aside.unlink(missing_ok=True)
    try:
        aside.hardlink_to(path)
    except OSError:  # a file system without such names
        shutil.copy2(path, aside)


def put_back(persistence, path):
    """Whether there was something; Snakemake deletes what the job left when there was nothing."""
    aside = persistence._get_backup_path(path)
    Kept.put_back[str(path)] = aside.exists()
    if aside.exists():
        aside.replace(path)
        aside.unlink(missing_ok=True)  # two names of one file are both left by what replaces the one with the other
    return Kept.put_back[str(path)]


def note_unfinished(persistence, job, external_jobid=None):
    """What a job left whose engine was killed stays marked, whatever becomes of the job that makes it again."""
    keys = {str(file): persistence._get_key(file) for file in job.output}
    marked = persistence._filter_incomplete_keys(keys.values())
    for file, key in keys.items():
        Kept.unfinished.setdefault(file, key in marked)
    Kept.start(persistence, job, external_jobid)


async def record_unless_failed(persistence, job):
    """Leave the records of a failed job's outputs as they were; an output without an older self was deleted."""
    failed = [Kept.put_back.pop(str(file), None) for file in job.output]
    unfinished = [Kept.unfinished.pop(str(file), False) for file in job.output]
    if all(before is None for before in failed):
        return await Kept.record(persistence, job)
    for file, before in zip(job.output, unfinished):
        if not before:
            persistence._unmark_incomplete(persistence._get_key(file))


def inputs_but_parts(persistence, job):
    """Into how many parts the images were shared is no reason to make anything again."""
    return [path for path in Kept.inputs_of(persistence, job) if not path.startswith(f"{PARTS_FOLDER}/")]


PersistenceBase._input = inputs_but_parts
PersistenceBase.backup_output = set_aside
PersistenceBase.restore_output = put_back
PersistenceBase.started = note_unfinished
PersistenceBase.finished = record_unless_failed
