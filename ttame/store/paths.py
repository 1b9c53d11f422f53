"""Where every artifact of an experiment is. dvc.yaml names the same files; a test holds the two together."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ttame.params.section import Split
from ttame.params.settings import Settings


def _named(method: str, seed: int | None) -> str:
    """A method, and of one that is trained the seed; `seed` is None for the others."""
    return method if seed is None else f"{method}.seed{seed}"


def list_file(settings: Settings, split: Split) -> Path:
    """The datalist of a split."""
    return settings.results / "datalists" / f"{split}.txt"


def contents_file(settings: Settings, split: Split) -> Path:
    """The digest of every image of a split: later stages depend on it, so they notice an image that changed."""
    return settings.results / "datalists" / f"{split}.images.csv"


def model_truths_file(settings: Settings, backbone: str) -> Path:
    """The training list with the class that a backbone gives every image."""
    return settings.results / "model_truths" / backbone / "train.txt"


def checkpoint_file(settings: Settings, backbone: str, method: str, seed: int | None) -> Path:
    """The trained mechanism."""
    return settings.results / "attention" / backbone / f"{_named(method, seed)}.safetensors"


def history_file(settings: Settings, backbone: str, method: str, seed: int | None) -> Path:
    """Loss terms, learning rate and masked accuracy of a training, by epoch."""
    return settings.results / "attention" / backbone / f"{_named(method, seed)}.history.csv"


def trainings_file(settings: Settings) -> Path:
    """What is trained, a row per pair; there also where nothing is, so that the folder of trainings is always there."""
    return settings.results / "attention" / "trainings.csv"


def classifier_file(settings: Settings, backbone: str) -> Path:
    """What a classifier is: its keys of the params, and digests of its files."""
    return settings.results / "specifications" / backbone / "classifier.json"


def specification_file(settings: Settings, backbone: str, method: str) -> Path:
    """What a pair reads of the params and the registry."""
    return settings.results / "specifications" / backbone / f"{method}.json"


def maps_file(settings: Settings, backbone: str, method: str, seed: int | None) -> Path:
    """Where the maps of a method are."""
    return settings.results / "maps" / backbone / f"{_named(method, seed)}.safetensors"


def scores_file(settings: Settings, backbone: str, method: str, seed: int | None) -> Path:
    """Where the scores of a method are."""
    return settings.results / "scores" / backbone / f"{_named(method, seed)}.parquet"


def sanity_file(settings: Settings, backbone: str, method: str, seed: int | None) -> Path:
    """Where the sanity check of a method is."""
    return settings.results / "sanity" / backbone / f"{_named(method, seed)}.csv"


def basis_file(settings: Settings, backbone: str, measure: str) -> Path:
    """What a measure has computed once of a classifier."""
    return settings.results / "basis" / backbone / f"{measure}.safetensors"


def measure_file(settings: Settings, backbone: str, method: str, seed: int | None, measure: str) -> Path:
    """What a measure says of a method, a row per image or grid."""
    return settings.results / "measures" / backbone / measure / f"{_named(method, seed)}.parquet"


def sensitivity_file(settings: Settings, backbone: str) -> Path:
    """How the measures answer to noise."""
    return settings.results / "sensitivity" / f"{backbone}.csv"


def figure_file(settings: Settings, backbone: str) -> Path:
    """Where the picture is."""
    return settings.results / "figures" / f"{backbone}.png"


def results_file(settings: Settings) -> Path:
    """The tables as a person reads them."""
    return settings.results / "tables" / "results.md"


def statistics_file(settings: Settings) -> Path:
    """Intervals, p-values and marks of the tables, as the page reads them."""
    return settings.results / "tables" / "statistics.csv"


def checks_file(settings: Settings) -> Path:
    """What the measures can tell."""
    return settings.results / "tables" / "measures.csv"


def agreement_file(settings: Settings) -> Path:
    """How far the measures agree on the order of the methods."""
    return settings.results / "tables" / "agreement.csv"


def metrics_file(settings: Settings, backbone: str, method: str) -> Path:
    """The headline numbers of a method, as `dvc metrics` shows them: a row a file."""
    return settings.results / "tables" / "metrics" / backbone / f"{method}.json"


def page_file(settings: Settings) -> Path:
    """The page of figures and images."""
    return settings.results / "page" / "index.html"


def measured_file(settings: Settings) -> Path:
    """What the run cost, which differs from run to run."""
    return page_file(settings).with_name("measured.html")


def cost_file(settings: Settings, backbone: str, method: str, seed: int | None) -> Path:
    """The measured seconds and memory of a method's maps."""
    return settings.results / "cost" / backbone / f"{_named(method, seed)}.json"


def training_speed_file(settings: Settings, backbone: str, method: str, seed: int | None) -> Path:
    """The measured images per second of a training, by epoch."""
    return settings.results / "cost" / backbone / f"{_named(method, seed)}.training.csv"


OUTPUTS: dict[str, tuple[Callable[..., Path], ...]] = {
    "train": (checkpoint_file, history_file, training_speed_file),
    "maps": (maps_file, cost_file),
    "scores": (scores_file,),
    "basis": (basis_file,),
    "measure": (measure_file,),
    "sanity": (sanity_file,),
}
"""What the stages write that may not be defined on a backbone: made of the settings and the stage's arguments."""
