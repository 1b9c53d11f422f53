"""One change each of the tiny experiment that both engines run, and the jobs that it makes stale."""

from __future__ import annotations

WEIGHTS = "models/cnn.safetensors"
"""A file of the user's, which git does not track."""

RETRAINED = {
    "train": 2,
    "maps_trained": 2,
    "sanity_trained": 2,
    "measure_trained": 2,
    "sensitivity": 2,
    "figure": 2,
    "tables": 1,
    "page": 1,
}
EXPLAINED = {"maps": 2, "sanity": 2, "measure": 2}
SCORED = {"scores": 2, "sensitivity": 2, "figure": 2, "tables": 1, "page": 1}
TRAINED_ON_ONE = {
    "train": 1,
    "maps_trained": 1,
    "scores_trained": 1,
    "sanity_trained": 1,
    "measure_trained": 1,
    "sensitivity": 1,
    "figure": 1,
    "tables": 1,
    "page": 1,
}
OTHER_WEIGHTS = {
    "train": 1,
    "basis": 1,
    "maps": 3,
    "maps_trained": 1,
    "scores": 3,
    "scores_trained": 1,
    "sanity": 3,
    "sanity_trained": 1,
    "measure": 3,
    "measure_trained": 1,
    "sensitivity": 1,
}
ONE_SEED_MORE = RETRAINED | {"scores_trained": 2}
ONE_MEASURE_MORE = {"basis": 2, "measure": 6, "measure_trained": 2, "sensitivity": 2, "tables": 1, "page": 1}

Change = tuple[str, tuple[str, str] | None, dict[str, int], dict[str, int] | None]

CHANGES: list[Change] = [
    (
        "params.yaml",
        ("noise: 0.01", "noise: 0.02"),
        {"scores": 6, "scores_trained": 2, "sensitivity": 2, "tables": 1, "page": 1},
        None,
    ),
    ("params.yaml", ("resamples: 10000", "resamples: 900"), {"tables": 1, "page": 1}, None),
    ("params.yaml", ("sigma: 0.25", "sigma: 0.3"), EXPLAINED, EXPLAINED | SCORED),
    ("params.yaml", ("start_layer: 0", "start_layer: 1"), EXPLAINED, EXPLAINED | SCORED),
    (
        "params.yaml",
        ("fill: mean", "fill: blur"),
        {"basis": 2, "measure": 6, "measure_trained": 2, "sensitivity": 2, "page": 1},
        {"basis": 2, "measure": 6, "measure_trained": 2, "sensitivity": 2, "tables": 1, "page": 1},
    ),
    (
        "params.yaml",
        ("learning_rate: 0.02", "learning_rate: {shapes_vit: 0.03, shapes_cnn: 0.02}"),
        {"train": 1, "maps_trained": 1, "sanity_trained": 1, "measure_trained": 1, "page": 1},
        TRAINED_ON_ONE,
    ),
    (
        "params.yaml",
        ("target_layer: auto", "target_layer: layer2"),
        {"maps": 1, "sanity": 1, "measure": 1, "page": 1},
        {"maps": 1, "sanity": 1, "measure": 1, "scores": 1, "sensitivity": 1, "figure": 1, "tables": 1, "page": 1},
    ),
    ("params.yaml", ("seeds:\n  - 1\n", "seeds:\n  - 1\n  - 2\n"), ONE_SEED_MORE, None),
    (
        "params.yaml",
        ("taken:\n  - single_deletion\n", "taken:\n  - single_deletion\n  - known_parts\n"),
        ONE_MEASURE_MORE,
        None,
    ),
    ("params.yaml", ("batch_size: 4\n", "batch_size: 5\n"), {}, {}),
    (WEIGHTS, None, OTHER_WEIGHTS, OTHER_WEIGHTS | {"figure": 1, "tables": 1, "page": 1}),
    (
        "ttame/explainers/registry.py",
        ('"Center"', '"Centre"'),
        {"sensitivity": 2, "figure": 2, "tables": 1, "page": 1},
        None,
    ),
    (
        "ttame/explainers/registry.py",
        ('_learned("TAME", "tame", TAME', '_learned("TAME", "ttame", TAME'),
        RETRAINED,
        RETRAINED | {"scores_trained": 2},
    ),
    (
        "ttame/explainers/center.py",
        ("-squared", "- squared"),
        EXPLAINED | {"sensitivity": 2},
        EXPLAINED | SCORED,
    ),
]
"""A file; a text in it and another, or None for its last byte; the jobs of DVC that depend on it; and what follows."""
