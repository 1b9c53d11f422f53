"""What an artifact was made of: digests that later stages hold against those of today, and refuse where they differ.

An artifact of a pair that is not defined carries none, and neither do those of versions before this.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ttame.errors import TTameError
from ttame.measures.registry import MEASURES
from ttame.params.settings import Settings
from ttame.params.specification import classifier_specification, specification
from ttame.store.commands import command_of
from ttame.store.digests import content_digest
from ttame.store.maps_file import StoredMaps, read_maps
from ttame.store.paths import (
    basis_file,
    checkpoint_file,
    contents_file,
    list_file,
    maps_file,
    measure_file,
    scores_file,
)

KEY = "ttame.origin"
"""Of the metadata of a Parquet file."""

_WORDS = {
    "photos": "the evaluation photos",
    "seed": "the seed",
    "model_sha256": "the folder of the model",
    "weights_sha256": "the file of the weights",
    "head_sha256": "the file of the head",
    "training": "the training list",
    "training_photos": "the training photos",
    "auxiliary": "the auxiliary classifier",
    "auxiliary_model_sha256": "the folder of the auxiliary classifier",
    "auxiliary_weights_sha256": "the file of the auxiliary classifier's weights",
    "auxiliary_head_sha256": "the file of the auxiliary classifier's head",
    "trained": "the checkpoint",
    "maps": "the maps",
    "basis": "what the measure knows of the classifier",
    "origin": "its params, weights or photos",
}


def origin_of_maps(settings: Settings, backbone: str, method: str, seed: int | None) -> dict[str, str]:
    """A digest of the seed, every key of the specification, the photos, and the trained mechanism.

    Where a file is not here, a pulled result say, nothing is said of it.
    """
    specified = specification(settings, backbone, method) | ({} if seed is None else {"seed": seed})
    found = {key: _digest(value) for key, value in specified.items()}
    files = {
        "photos": contents_file(settings, "evaluation"),
        "trained": None if seed is None else checkpoint_file(settings, backbone, method, seed),
    }
    found |= {name: content_digest(path) for name, path in files.items() if path is not None and path.is_file()}
    return found | {"metrics.coherency": _digest(settings.metrics.coherency)}


def origin_of_scores(settings: Settings, backbone: str, method: str, seed: int | None) -> dict[str, str]:
    """A digest of the seed, the maps' file, the photos, the classifier and each key of `metrics`."""
    found = {key: _digest(value) for key, value in classifier_specification(settings, backbone).items()}
    files = {"maps": maps_file(settings, backbone, method, seed), "photos": contents_file(settings, "evaluation")}
    found |= {name: content_digest(path) for name, path in files.items() if path.is_file()}
    found |= {} if seed is None else {"seed": _digest(seed)}
    return found | {f"metrics.{key}": _digest(value) for key, value in settings.metrics.model_dump().items()}


def origin_of_basis(settings: Settings, backbone: str, measure: str) -> dict[str, str]:
    """A digest of the classifier, the photos and the options of the measure."""
    found = {key: _digest(value) for key, value in classifier_specification(settings, backbone).items()}
    files = {"photos": contents_file(settings, "evaluation")}
    if MEASURES[measure].reads_training:
        files |= {"training": list_file(settings, "train"), "training_photos": contents_file(settings, "train")}
    found |= {name: content_digest(path) for name, path in files.items() if path.is_file()}
    return found | {f"measures.{measure}": _digest(getattr(settings.measures, measure).model_dump())}


def origin_of_measure(settings: Settings, backbone: str, method: str, seed: int | None, measure: str) -> dict[str, str]:
    """What made the maps, the options of the measure, and a digest of the maps' file and of the basis."""
    found = origin_of_maps(settings, backbone, method, seed)
    del found["metrics.coherency"]
    found[f"measures.{measure}"] = _digest(getattr(settings.measures, measure).model_dump())
    files = {"maps": maps_file(settings, backbone, method, seed), "basis": basis_file(settings, backbone, measure)}
    return found | {name: content_digest(path) for name, path in files.items() if path.is_file()}


def origin_of_sensitivity(settings: Settings, backbone: str) -> dict[str, str]:
    """One digest of its settings and of the scores and measures of all methods, for every row of a CSV."""
    runs = [(method, seed) for method in settings.methods.all for seed in settings.methods.seeds_of(method)]
    files = [scores_file(settings, backbone, *run) for run in runs]
    files += [measure_file(settings, backbone, *run, measure) for measure in settings.measures.taken for run in runs]
    found = {str(path): content_digest(path) for path in files if path.is_file()}
    return {"origin": _digest([settings.sensitivity.model_dump(), settings.metrics.model_dump(), found])}


def origin_of_sanity(settings: Settings, backbone: str, method: str, seed: int | None) -> dict[str, str]:
    """One digest alone, since it stands in every row of a CSV."""
    made_of = origin_of_maps(settings, backbone, method, seed)
    del made_of["metrics.coherency"]
    return {"origin": _digest([made_of, settings.sanity.model_dump()])}


def read_checked_maps(settings: Settings, backbone: str, method: str, seed: int | None) -> StoredMaps:
    """The maps of the evaluation list, as the maps stage wrote them.

    Raises:
        NotDefined: when the method is not defined on this classifier.
        TTameError: when they are missing, or were made of something else.
    """
    path = maps_file(settings, backbone, method, seed)
    found = read_maps(path)
    origin = origin_of_maps(settings, backbone, method, seed)
    refuse_other_origin(path, found.origin, origin, command_of("maps", backbone, method, seed))
    return found


def refuse_other_origin(path: Path, stored: Any, now: Mapping[str, str], again: str) -> None:
    """Check that an artifact was made of what there is today.

    Args:
        path: of the artifact.
        stored: the origin that it carries, or None.
        now: what it would carry today; what one of the two does not know is not compared.
        again: the command that makes it anew, without `python -m`.

    Raises:
        TTameError: naming what changed.
    """
    if not isinstance(stored, Mapping):
        return
    changed = [_word(key) for key, value in now.items() if stored.get(key, value) != value]
    if changed:
        raise TTameError(
            f"{path}: made before {', '.join(changed)} changed; run `python -m {again}` again, or change it back"
        )


def _word(key: str) -> str:
    is_imported = key.startswith("checkpoint_") and key.endswith("_sha256")
    return "the imported checkpoint" if is_imported else _WORDS.get(key, key)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
