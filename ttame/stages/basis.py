"""Stage: what a measure needs to know of a classifier, once for all methods."""

from __future__ import annotations

from dataclasses import replace

from ttame.measures.measure import make_measure
from ttame.params.settings import Settings
from ttame.stages.subject import Subject
from ttame.store.basis_file import write_basis
from ttame.store.origin import origin_of_basis
from ttame.store.paths import basis_file
from ttame.store.scratch import Scratch


def run(settings: Settings, backbone: str, measure: str) -> None:
    """Write the file of tensors; which ones, the measure says.

    Raises:
        NotDefined: when the measure has nothing to say of this classifier or these images.
    """
    subject = Subject(settings, backbone)
    target = basis_file(settings, backbone, measure)
    origin = origin_of_basis(settings, backbone, measure)
    scratch = Scratch(target, subject.identity(origin))
    basis = make_measure(measure, settings).prepare(subject, scratch)
    write_basis(target, replace(basis, origin=origin))
    scratch.clear()
