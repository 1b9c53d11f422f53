"""`ttame plan`: what the active experiment will compute and what that takes on this device, before anything runs."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ttame.attention.epochs import refuse_too_few
from ttame.cli.arguments import PARTED
from ttame.cli.job_sizes import processes_of
from ttame.cli.plan_file import AT_ONCE, PlanFile, options_of, plan_path, read_plan, write_plan
from ttame.cli.planned_rows import Row, counts, planned_rows
from ttame.cli.side_by_side import on_devices
from ttame.errors import TTameError
from ttame.params.composition import difference
from ttame.params.section import Split
from ttame.params.settings import Settings
from ttame.report.markdown import MISSING, markdown_table
from ttame.runtime.device import device_name, peak_memory_bytes, select_device
from ttame.store.provenance import read_records

HEADINGS = (
    "Stage",
    "Backbone",
    "Method",
    "Seed",
    "Images",
    "Forward",
    "Backward",
    "Memory, GB",
    "Disk, MB",
    "Hours",
    "Took, h",
)
STAGES = ("Stage", "Jobs", "Forward, million", "Backward, million", "Memory, GB", "Disk, GB", "Hours", "%")
NOTE = """\
Images of a training are those of all epochs. Forward and backward are passes of the classifier, counted in images, of a
training with those of its warm start, and of P-TAME with those of its auxiliary classifier. Memory is the most that
{memory} takes. Maps take their place on the disk twice until their parts are joined.
Hours are of one job after the other on {device}, {source};
decoding the images and starting the jobs come on top. "Took" is what the stage took when it last ran here."""
MEASURED = "extrapolated from a few calls with random weights"
DEAREST = 5
"""Jobs that are named."""


def run(settings: Settings, devices: int | None = None, costs: Path | None = None, *, keep: bool = False) -> str:
    """A table with a row per job and their sum, where the time goes, and how long all takes on several devices.

    What was measured here is kept in `logs/EXPERIMENT/plan.json`, where the engine finds it.

    Args:
        settings: of the experiment.
        devices: how many like the one that was measured; the parts of `auto` are made for as many.
        costs: the plan of another device, or of another experiment with the same options; nothing is measured then.
        keep: whether the engine is to go by `costs`, too.

    Raises:
        TTameError: when a list has no count and its folder is not there, a training list does not fill a step, there
            are fewer devices than a training takes, or `costs` tells too little.
    """
    told = None if costs is None else read_plan(costs)
    images = counts(settings)
    _refuse(settings, images, devices)
    if told is not None:
        _warn_of_other_options(settings, told, costs)
    rows, known = planned_rows(settings, images, None if told is None else told.costs)
    name, is_cpu = _device(settings) if told is None else (told.device, told.is_cpu)
    jobs, options = [row.kept() for row in rows], options_of(settings) if told is None else told.options
    plan = PlanFile(name, is_cpu, known, jobs, devices or AT_ONCE, options)
    if is_kept := told is None or keep:
        write_plan(settings, plan)
    took = {facts["stage"]: float(facts["seconds"]) / 3600 for facts in read_records(settings)}
    cells = [*(_cells(row, took) for row in rows), _total(rows, took)]
    lists = ", ".join(f"{count} {split}" for split, count in images.items())
    heading = (
        f"Plan of `{settings.experiment}`: {lists} images, {len(rows)} jobs{_parted(settings)} besides lists, figures, "
        "tables and page"
    )
    source = MEASURED if told is None else f"by the costs in {costs}, not measured here"
    note = NOTE.format(device=name, source=source, memory="a process" if is_cpu else "a process of the GPU's")
    shared = [] if devices is None else ["", *on_devices(rows, settings, plan, devices)]
    table, ends = markdown_table(HEADINGS, cells, numbers_from=3), _ends(settings, measured=told is None, kept=is_kept)
    return "\n".join([heading, "", table, note, "", *_where_the_time_goes(rows), *shared, "", *ends])


def _refuse(settings: Settings, images: Mapping[Split, int], devices: int | None) -> None:
    """Before anything is measured."""
    if devices is not None and devices < 1:
        raise TTameError(f"--devices: {devices} should be at least 1")
    is_shared = bool(settings.data.model_truths)
    for backbone, method in itertools.product(settings.backbones, settings.methods.trained):
        if backbone not in settings.attention[method].checkpoints:
            refuse_too_few(images["train"], settings.attention[method].on(backbone).recipe, method, "the training list")
            is_shared = True
    needed = processes_of(settings, "train")
    if devices is not None and is_shared and devices < needed:
        raise TTameError(
            f"--devices: {devices} are fewer than the {needed} that train together (execution.devices x nodes); name "
            "as many, or lower these"
        )


def _warn_of_other_options(settings: Settings, told: PlanFile, costs: Path | None) -> None:
    """Of a method with other options, a map or a step takes another time."""
    here = options_of(settings)
    for section, methods in told.options.items():
        for method, options in methods.items():
            other = difference(here.get(section, {}).get(method) or {}, options or {})
            if other:
                keys = ", ".join(f"{section}.{method}.{key}: {value}" for key, value in other.items())
                print(f"warning: {costs}: its costs were measured with other options than {keys}", file=sys.stderr)


def _device(settings: Settings) -> tuple[str, bool]:
    """Its name, and whether it is the CPU."""
    device = select_device(settings.execution)
    return device_name(device), device.type == "cpu"


def _ends(settings: Settings, *, measured: bool, kept: bool) -> Iterator[str]:
    """What the plan took, and what becomes of it."""
    if measured:
        peak = peak_memory_bytes(select_device(settings.execution)) / 1e9
        yield f"Making this plan took {peak:.1f} GB of its memory at the peak."
    if kept:
        yield f"Kept in {plan_path(settings)} for the engine: `execution.parts: auto`, memory and time of its jobs."
    else:
        yield "The engine does not go by this plan, whose costs are of another place; `--keep` lets it."


def _parted(settings: Settings) -> str:
    parts = settings.execution.parts
    stages = ", ".join(sorted(PARTED))
    if parts == "auto":
        return f" ({stages} in parts of an hour)"
    return f" ({stages} in {parts} parts each)" if parts > 1 else ""


def _where_the_time_goes(rows: Sequence[Row]) -> Iterator[str]:
    total = sum(row.hours for row in rows)
    stages = list(dict.fromkeys(row.stage for row in rows))
    found = []
    for stage in sorted(stages, key=lambda stage: -sum(row.hours for row in rows if row.stage == stage)):
        of_stage = [row for row in rows if row.stage == stage]
        hours = sum(row.hours for row in of_stage)
        found.append(
            [
                stage,
                f"{len(of_stage)}",
                _short(sum(row.images * row.cost.forward for row in of_stage) / 1e6),
                _short(sum(row.images * row.cost.backward for row in of_stage) / 1e6),
                f"{max(row.memory for row in of_stage) / 1e9:.1f}",
                _short(sum(row.disk for row in of_stage) / 1e9),
                _hours(hours),
                f"{100 * hours / total:.0f}",
            ]
        )
    yield "Where the time goes:\n"
    yield markdown_table(STAGES, found)
    dearest = sorted(rows, key=lambda row: -row.hours)[:DEAREST]
    jobs = [f"{row.stage} of {row.subject or 'all'} on {row.backbone} {_hours(row.hours)} h" for row in dearest]
    yield f"The longest jobs: {', '.join(jobs)}."


def _cells(row: Row, took: dict[str, float]) -> list[str]:
    seed = "" if row.seed is None else str(row.seed)
    cost, name = row.cost, " ".join(filter(None, (row.stage, row.backbone, row.method, row.measure, seed)))
    size = row.disk / 1e6
    return [
        row.stage,
        row.backbone,
        row.subject,
        seed,
        f"{row.images}",
        f"{row.images * cost.forward:.0f}",
        f"{row.images * cost.backward:.0f}",
        f"{row.memory / 1e9:.1f}",
        _short(size) if size else "",
        _hours(row.hours),
        _hours(took[name]) if name in took else MISSING,
    ]


def _total(rows: list[Row], took: dict[str, float]) -> list[str]:
    forward = sum(row.images * row.cost.forward for row in rows)
    backward = sum(row.images * row.cost.backward for row in rows)
    size, memory = sum(row.disk for row in rows) / 1e6, max(row.memory for row in rows) / 1e9
    hours = sum(row.hours for row in rows)
    measured = _hours(sum(took.values())) if took else MISSING
    passes = [f"{forward:.0f}", f"{backward:.0f}"]
    return ["all", "", "", "", "", *passes, f"{memory:.1f}", _short(size), _hours(hours), measured]


def _short(number: float) -> str:
    return f"{number:.0f}" if number >= 100 else f"{number:.3g}"


def _hours(hours: float) -> str:
    return f"{hours:.4f}" if hours < 0.1 else f"{hours:.2f}"
