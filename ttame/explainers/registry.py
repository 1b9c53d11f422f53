"""The only list of methods. A method is added by one line here and one file beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Entry:
    """What the tools have to know of a method before they import it.

    Attributes:
        title: name in tables.
        location: `module:class` of the explainer.
        needs_training: whether it has an attention mechanism to train.
        citation: the paper, or what the control is for.
    """

    title: str
    location: str
    needs_training: bool
    citation: str


EXPLAINERS: dict[str, Entry] = {
    "ground_truth": Entry(
        "Ground truth",
        "ttame.explainers.ground_truth:GroundTruth",
        False,
        "the object's own mask, the end of the scale",
    ),
    "random": Entry("Random", "ttame.explainers.random:Random", False, "control: a method must beat it"),
    "center": Entry("Center", "ttame.explainers.center:Center", False, "control: a method must beat it"),
    "gradcam": Entry("Grad-CAM", "ttame.explainers.gradcam:GradCAM", False, "Selvaraju et al., ICCV 2017"),
    "ttame": Entry(
        "T-TAME",
        "ttame.explainers.ttame:TTame",
        True,
        "Ntrougkas et al., IEEE Access 2024, 10.1109/ACCESS.2024.3405788",
    ),
}
