"""`ttame plan`: what the active experiment will compute and what that takes on this device, before anything runs."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence

from ttame.attention.epochs import refuse_too_few
from ttame.cli.arguments import PARTED
from ttame.cli.planned_rows import Row, counts, planned_rows
from ttame.cli.schedule import Job, Name, finish
from ttame.errors import TTameError
from ttame.explainers.registry import title
from ttame.measures.registry import MEASURES
from ttame.params.settings import MOST_PARTS, Settings
from ttame.report.markdown import MISSING, markdown_table
from ttame.runtime.device import device_name, peak_memory_bytes, select_device
from ttame.store.provenance import read_records

HEADINGS = ("Stage", "Backbone", "Method", "Seed", "Images", "Forward", "Backward", "Disk, MB", "Hours", "Took, h")
NOTE = """\
Images of a training are those of all epochs. Forward and backward are passes of the classifier, counted in images, of a
training with those of its warm start, and of P-TAME with those of its auxiliary classifier. Hours are of one job after
the other on {device}, extrapolated from a few calls with random weights; decoding the images and starting the jobs come
on top. "Took" is what the stage took when it last ran here."""


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
DEAREST = 5
"""Jobs that are named."""


def run(settings: Settings, devices: int | None = None) -> str:
    """A table with a row per job and their sum, and how long all takes on `devices` like this one.

    Raises:
        TTameError: when a list has no count and its folder is not there, a training list does not fill a step, or there
            are fewer devices than a training takes.
    """
    if devices is not None and devices < 1:
        raise TTameError(f"--devices: {devices} should be at least 1")
    device = select_device(settings.execution)
    images = counts(settings)
    for backbone, method in itertools.product(settings.backbones, settings.methods.trained):
        if backbone not in settings.attention[method].checkpoints:
            recipe = settings.attention[method].on(backbone).recipe
            refuse_too_few(images["train"], recipe, method, "the training list")
    rows = planned_rows(settings, device)
    took = {facts["stage"]: float(facts["seconds"]) / 3600 for facts in read_records(settings)}
    cells = [_cells(row, took) for row in rows]
    cells.append(_total(rows, took))
    lists = ", ".join(f"{count} {split}" for split, count in images.items())
    parts = settings.execution.parts
    parted = f" ({', '.join(sorted(PARTED))} in {parts} parts each)" if parts > 1 else ""
    heading = (
        f"Plan of `{settings.experiment}`: {lists} images, {len(rows)} jobs{parted} besides lists, figures, tables and "
        "page"
    )
    memory = f"Making this plan took {peak_memory_bytes(device) / 1e9:.1f} GB of its memory at the peak."
    told = [_where_the_time_goes(rows), *([] if devices is None else _on_devices(rows, settings, devices)), memory]
    note = NOTE.format(device=device_name(device))
    return "\n".join([heading, "", markdown_table(HEADINGS, cells, numbers_from=3), note, "", *told])


def _where_the_time_goes(rows: Sequence[Row]) -> str:
    total = sum(row.hours for row in rows)
    stages = {row.stage: 0.0 for row in rows}
    for row in rows:
        stages[row.stage] += row.hours / total
    ordered = sorted(stages.items(), key=lambda item: -item[1])
    dearest = sorted(rows, key=lambda row: -row.hours)[:DEAREST]
    jobs = [f"{row.stage} of {_label(row.method) or 'all'} on {row.backbone} {_hours(row.hours)} h" for row in dearest]
    shares = ", ".join(f"{stage} {100 * share:.0f} %" for stage, share in ordered if share >= 0.005)
    return f"Where the time goes: {shares}.\nThe longest jobs: {', '.join(jobs)}."


def _on_devices(rows: Sequence[Row], settings: Settings, devices: int) -> Iterator[str]:
    """With the parts of the params, and with as many as keep every part below an hour."""
    work = sum(row.hours for row in rows) / devices
    longest = max((row.hours for row in rows if row.stage in PARTED), default=0.0)
    best = min(max(1, math.ceil(longest)), MOST_PARTS)
    for parts in dict.fromkeys((settings.execution.parts, best)):
        jobs = list(_jobs(rows, settings, parts))
        most = max(jobs, key=lambda job: job.hours)
        yield (
            f"On {devices} of these at once, with execution.parts: {parts}, {_hours(finish(jobs, devices))} h: "
            f"the work over the devices is {_hours(work)} h, the longest job {_hours(most.hours)} h\n"
            f"({most.name.stage} of {_label(most.name.method) or 'all'} on {most.name.backbone})."
        )


def _jobs(rows: Sequence[Row], settings: Settings, parts: int) -> Iterator[Job]:
    """Those of the engine; of a stage in parts, the whole joins them and takes no time."""
    hours: dict[Name, float] = {}
    for row in rows:
        name = Name(row.stage, row.backbone, row.method, row.seed)
        hours[name] = hours.get(name, 0.0) + row.hours
    for name in sorted(hours, key=lambda name: list(WAITS_FOR).index(name.stage)):
        after = [other for other in hours if _waits(name, other)]
        if name.stage in PARTED and parts > 1:
            shares = [name._replace(part=part) for part in range(1, parts + 1)]
            yield from (Job(share, hours[name] / parts, 1, after) for share in shares)
            yield Job(name, 0.0, 1, shares)
            continue
        processes = settings.execution.devices * settings.execution.nodes if name.stage in ("truths", "train") else 1
        yield Job(name, hours[name] / processes, processes, after)


def _waits(name: Name, other: Name) -> bool:
    if other.backbone != name.backbone or other.stage not in WAITS_FOR[name.stage]:
        return False
    is_of_all = name.stage == "sensitivity" or other.stage in ("truths", "basis")
    return is_of_all or (other.method, other.seed) == (name.method, name.seed)


def _label(name: str) -> str:
    """What tables call a method, or a measure."""
    return MEASURES[name].title if name in MEASURES else title(name) if name else ""


def _cells(row: Row, took: dict[str, float]) -> list[str]:
    seed = "" if row.seed is None else str(row.seed)
    cost, name = row.cost, " ".join(part for part in (row.stage, row.backbone, row.method, seed) if part)
    # A trained mechanism is kept once, maps for every image.
    size = cost.bytes * (1 if row.stage == "train" else row.images) / 1e6
    return [
        row.stage,
        row.backbone,
        _label(row.method),
        seed,
        f"{row.images}",
        f"{row.images * cost.forward:.0f}",
        f"{row.images * cost.backward:.0f}",
        f"{size:.3g}" if size else "",
        _hours(row.hours),
        _hours(took[name]) if name in took else MISSING,
    ]


def _total(rows: list[Row], took: dict[str, float]) -> list[str]:
    forward = sum(row.images * row.cost.forward for row in rows)
    backward = sum(row.images * row.cost.backward for row in rows)
    size = sum(row.cost.bytes * (1 if row.stage == "train" else row.images) for row in rows) / 1e6
    hours = sum(row.hours for row in rows)
    measured = _hours(sum(took.values())) if took else MISSING
    return ["all", "", "", "", "", f"{forward:.0f}", f"{backward:.0f}", f"{size:.3g}", _hours(hours), measured]


def _hours(hours: float) -> str:
    return f"{hours:.4f}" if hours < 0.1 else f"{hours:.2f}"
