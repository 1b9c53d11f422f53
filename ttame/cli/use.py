"""Make another experiment the active one, for both engines."""

from __future__ import annotations

from pathlib import Path

from ttame.errors import TTameError, suggestion
from ttame.params.settings import PARAMS_FILE, load_settings

EXPERIMENTS = Path("experiments")


def run(name: str) -> str:
    """Swap files: the active `params.yaml` goes to `experiments/<its name>.yaml`, the other comes in its place.

    Files move and are never copied, so every parameter stands in one place only and an edit is never lost.

    Returns:
        What was done, for the user.

    Raises:
        TTameError: when there is no such experiment, or the active one would overwrite a file.
    """
    active = load_settings()
    if name == active.experiment:
        return f"{name} is the active experiment already"
    source = EXPERIMENTS / f"{name}.yaml"
    if not source.exists():
        known = [path.stem for path in EXPERIMENTS.glob("*.yaml")]
        hint = suggestion(name, known) or f"; there are {', '.join(sorted(known)) or 'none'}"
        raise TTameError(f"{source}: no such experiment{hint}")
    coming = load_settings(source)
    if coming.experiment != name:
        raise TTameError(f"{source}: experiment: {coming.experiment!r} is not the name of the file; expected {name!r}")
    shelf = EXPERIMENTS / f"{active.experiment}.yaml"
    if shelf.exists():
        raise TTameError(f"{shelf}: exists already, and params.yaml holds this experiment too; remove one of the two")
    PARAMS_FILE.rename(shelf)
    source.rename(PARAMS_FILE)
    return f"{name} is active; {active.experiment} is kept in {shelf}; results go to {coming.results}/"
