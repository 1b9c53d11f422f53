"""Stage: what each pair of backbone and method reads of the params and the registry, in a file of its own."""

from __future__ import annotations

from ttame.params.settings import Settings
from ttame.params.specification import specification_text
from ttame.store.artifacts import write_text
from ttame.store.paths import specification_file


def run(settings: Settings) -> None:
    """Write `<backbone>/<method>.json` for every pair, and delete those of pairs that are no more."""
    pairs = [(backbone, method) for backbone in settings.backbones for method in settings.methods.all]
    files = {specification_file(settings, *pair): specification_text(settings, *pair) for pair in pairs}
    for path, text in files.items():
        write_text(path, text)
    for path in (settings.results / "specifications").rglob("*"):
        if path.is_file() and path not in files:
            path.unlink()
