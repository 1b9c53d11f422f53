"""Every method, as if on a GPU: the CPU's maps, nothing on two devices, and few waits."""

from __future__ import annotations

import pytest
import torch

from benchmarks.agreement import AUXILIARY
from benchmarks.photographs import settings_of
from benchmarks.untrained import explainer_of
from tests.device.accelerator import DEVICE, OnDevice
from ttame.errors import NotDefined
from ttame.explainers.explainer import make_explainer
from ttame.explainers.registry import EXPLAINERS

SETTINGS = settings_of("shapes")
FAST = {"rise": {"masks": 8}, "smoothgrad": {"draws": 3}, "integrated_gradients": {"steps": 3}, "iia": {"steps": 1}}
NEAR = {"xgradcam": 1e-2}
"""Share of the range by which a map may differ: it divides by the sum of a channel, which may be near zero, and a
copied classifier computes in another memory format."""
CHECKS = 2
"""Waits of a call that looks whether its targets and images are sound."""
OF_AN_IMAGE = {"scorecam": 6, "ablationcam": 6, "rise": 4}
"""Waits an image of the methods that ask about one image at a time."""


@pytest.mark.parametrize(
    "method", [pytest.param(name, marks=[pytest.mark.slow] if name == "ptame" else []) for name in EXPLAINERS]
)
def test_maps_are_those_of_the_cpu(method, pair, images, samples, asked) -> None:
    found = []
    for backbone, given in zip(pair, (images, images.to(DEVICE)), strict=True):
        clean = backbone.normalise(given)
        targets = torch.tensor([1, 7]).to(clean.device)
        try:
            explainer = (
                make_explainer(method, backbone, FAST[method])
                if method in FAST
                else explainer_of(method, backbone, SETTINGS, AUXILIARY)
            )
        except NotDefined:
            pytest.skip("not defined there")
        found.append(explainer(clean, targets, samples).detach())
    assert isinstance(found[1], OnDevice)
    spread = (found[0].max() - found[0].min()).item()
    torch.testing.assert_close(found[1].cpu(), found[0], atol=NEAR.get(method, 2e-4) * spread, rtol=0)
    work = asked(lambda: explainer(clean, targets, samples))
    assert work.waits <= CHECKS + OF_AN_IMAGE.get(method, 0) * len(images)


def test_the_masks_of_rise_are_there_before_the_images(pair, images, asked) -> None:
    backbone = pair[1]
    explainer = make_explainer("rise", backbone, FAST["rise"])
    clean, targets = backbone.normalise(images.to(DEVICE)), torch.tensor([1, 7]).to(DEVICE)
    assert asked(lambda: explainer(clean, targets)).bytes == 0
