"""The jobs of a plan on several devices at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ttame.cli.arguments import PARTED
from ttame.cli.job_sizes import hours_of_part, parts_of, processes_of
from ttame.cli.plan_file import JobName, PlanFile
from ttame.cli.planned_rows import Row
from ttame.cli.schedule import Job, Name, finish
from ttame.params.settings import Settings
from ttame.report.markdown import markdown_table

WAITS_FOR = {
    "truths": (),
    "basis": (),
    "train": ("truths",),
    "maps": ("train",),
    "scores": ("maps",),
    "measure": ("maps", "basis"),
    "sanity": ("train",),
    "sensitivity": ("scores", "measure"),
}
"""Which stages' jobs, of the same backbone and where both have one of the same method and seed, a job waits for."""
HEADINGS = ("execution.parts", "Jobs", "All done after, h", "Busy, %", "Longest job, h", "Which")


def on_devices(rows: Sequence[Row], settings: Settings, plan: PlanFile, devices: int) -> Iterator[str]:
    """Hours with the parts of the params, with none and with `auto`.

    Raises:
        TTameError: when a job takes more devices than there are.
    """
    work, subjects = sum(row.hours for row in rows), {row.name: row.subject for row in rows}
    cells = []
    for parts in dict.fromkeys((settings.execution.parts, 1, "auto")):
        execution = settings.execution.model_copy(update={"parts": parts})
        jobs = list(_jobs(rows, settings.model_copy(update={"execution": execution}), plan))
        hours, longest = finish(jobs, devices), max(jobs, key=lambda job: job.hours)
        which = longest.name.job
        cells.append(
            [
                str(parts),
                str(len(jobs)),
                f"{hours:.2f}",
                f"{100 * work / devices / hours:.0f}",
                f"{longest.hours:.2f}",
                " ".join(filter(None, (which.stage, subjects[which], which.backbone))),
            ]
        )
    yield f"On {devices} of these at once, where the work over the devices is {work / devices:.2f} h:\n"
    yield markdown_table(HEADINGS, cells)
    yield (
        f"With `auto` a part takes {60 * hours_of_part(plan):.0f} minutes at most: no more than an hour, and so "
        f"short that {plan.at_once} jobs at a time end together."
    )


def _jobs(rows: Sequence[Row], settings: Settings, plan: PlanFile) -> Iterator[Job]:
    """Those of the engine; of a stage in parts, the whole joins them and takes no time."""
    hours = {row.name: row.hours for row in rows}
    for name in sorted(hours, key=lambda name: list(WAITS_FOR).index(name.stage)):
        after = [Name(other) for other in hours if _waits(name, other)]
        processes, parts = processes_of(settings, name.stage), parts_of(settings, plan, name)
        if name.stage in PARTED and parts > 1:
            shares = [Name(name, part) for part in range(1, parts + 1)]
            yield from (Job(share, hours[name] / parts / processes, processes, after) for share in shares)
            yield Job(Name(name), 0.0, 1, shares)
            continue
        yield Job(Name(name), hours[name] / processes, processes, after)


def _waits(name: JobName, other: JobName) -> bool:
    if other.backbone != name.backbone or other.stage not in WAITS_FOR[name.stage]:
        return False
    if other.stage == "basis":
        return other.measure == name.measure
    is_of_all = name.stage == "sensitivity" or other.stage == "truths"
    return is_of_all or (other.method, other.seed) == (name.method, name.seed)
