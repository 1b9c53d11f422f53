"""Where a value of a composed experiment was written: there a mistake in it has to be mended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from ttame.errors import TTameError
from ttame.explainers.registry import registered_name

EVERY = "every"
"""The key of `attention` that holds for all trained methods."""

Place = tuple[int | str, ...]


@dataclass(frozen=True)
class Layer:
    """What one file says, or one override on the command line; `source` is its name in messages."""

    source: str
    said: Mapping[str, Any]


class Mistake(TTameError):  # noqa: N818, like the others it is a line for the user
    """A value of the params that breaks a rule.

    Args:
        place: of its key.
        problem: what was expected and how to mend it.
        inside: whether the message names the section, and the problem the key in it.
        related: places of other keys that the rule is about.
    """

    def __init__(self, place: Place, problem: str, *, inside: bool = False, related: Sequence[Place] = ()) -> None:
        self.place = place
        self.problem = problem
        self.inside = inside
        self.related = related
        super().__init__(self._at(place))

    def told(self, source: str, layers: Sequence[Layer]) -> str:
        """The line for the user.

        Args:
            source: the name of the whole, for what none of the layers says.
            layers: what the values were composed of, what stands above first.
        """
        found = _find(self.place, layers)
        above = min((one for place in self.related if (one := _find(place, layers))), default=None)
        if found is None:
            return f"{source}: {self}"
        if above is not None and above < found:  # what stands below was right until then
            return f"{layers[above[0]].source}: {self}"
        return f"{layers[found[0]].source}: {self._at(found[1])}"

    def _at(self, place: Place) -> str:
        named = place[:-1] if self.inside else place
        return f"{'.'.join(map(str, named)) or 'the file'}: {self.problem}"


def _find(place: Place, layers: Sequence[Layer]) -> tuple[int, Place] | None:
    """The number of the layer that a value is from, and its place there."""
    for candidate in _candidates(place):
        for number, layer in enumerate(layers):
            if _says(layer.said, candidate):
                return number, candidate
    return None


def _candidates(place: Place) -> Iterator[Place]:
    """Of a trained method, what it says for itself stands above what a labelled one starts from, and that above all."""
    yield place
    if len(place) > 1 and place[0] == "attention":
        for name in (registered_name(str(place[1])), EVERY):
            yield ("attention", name, *place[2:])


def _says(values: Any, place: Place) -> bool:
    try:
        reduce(lambda section, part: section[part], place, values)
    except (LookupError, TypeError):
        return False
    return True
