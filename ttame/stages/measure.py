"""Stage: what a measure says of one method on one backbone."""

from __future__ import annotations

import pandas as pd

from ttame.measures.measure import make_measure
from ttame.params.settings import Settings
from ttame.stages.method import Method
from ttame.stages.subject import Subject
from ttame.store.basis_file import read_basis
from ttame.store.origin import origin_of_basis, origin_of_measure, refuse_other_origin
from ttame.store.paths import basis_file, measure_file
from ttame.store.scores_file import write_scores
from ttame.store.scratch import Scratch


def run(settings: Settings, backbone: str, method: str, measure: str, seed: int | None) -> None:
    """Write a Parquet file with a row per image, or per grid: its name, and the columns of the measure.

    Raises:
        NotDefined: when the method is not defined on this classifier, or the measure says nothing of it.
    """
    path, again = basis_file(settings, backbone, measure), f"ttame basis {backbone} {measure}"
    basis = read_basis(path, again)
    refuse_other_origin(path, basis.origin, origin_of_basis(settings, backbone, measure), again)
    subject = Subject(settings, backbone)
    target = measure_file(settings, backbone, method, seed, measure)
    origin = origin_of_measure(settings, backbone, method, seed, measure)
    identity = subject.identity(origin)
    made = make_measure(measure, settings)
    maps = made.maps(subject, Method(subject, method, seed), basis, Scratch(target / "maps", identity))
    found = made.judge(subject, made.normalise(maps), basis, Scratch(target / "judged", identity))
    table = pd.DataFrame({"name": list(basis.units)} | {name: values.double() for name, values in found.items()})
    write_scores(target, table, origin)
    Scratch(target, identity).clear()
