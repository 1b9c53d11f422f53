"""A start of training at which the map of every class is its class activation map (Zhou et al., CVPR 2016).

T-TAME's own start is random, so a class that training never met keeps a random map. Here the branch of the last
feature set has a norm of weight 0, so that its skip connection alone carries the features F on, and the fusing
convolution has rows w for them and 0 for everything else: the map of class k is scale * sum_c w_kc F_c, for every
class. Ours: no paper has it.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ttame.attention.mechanism import AttentionMechanism
from ttame.backbones.backbone import Backbone
from ttame.backbones.hooks import hooked
from ttame.errors import TTameError, is_lack_of_memory, reason_of


def class_rows(backbone: Backbone, layer: str, batches: Iterable[Tensor]) -> Tensor:
    """The weights w of CAM: how much each channel of a layer says for each class.

    Where the classifier's last linear layer reads the means of the layer's channels over positions, its rows, which is
    what CAM is defined for. Elsewhere (VGG-16, transformers) the general form: the mean over images of the gradient of
    the class's logit with respect to the layer, summed over positions, which is Grad-CAM's weight (Selvaraju et al.,
    ICCV 2017, equation 1) times the number of positions. The two are equal where both exist. The general form costs a
    forward pass an image and a backward pass for each class, of what comes after the layer.

    Args:
        backbone: the classifier.
        layer: name of its layer. Of a transformer's tokens the patches count, prefix tokens do not.
        batches: (B, 3, H, W) images in [0, 1], one batch at least; the first image tells the kind of head.

    Returns:
        (K, C) float32.

    Raises:
        TTameError: when the logits have no gradient at the layer, or none that is finite and not 0 everywhere.
    """
    total, images = torch.zeros((), dtype=torch.float64), 0
    for batch in batches:
        clean = backbone.normalise(batch)
        rows = None if images else rows_of_head(backbone, layer, clean[:1])
        if rows is not None:
            return rows
        total = total + _summed_gradients(backbone, layer, clean)
        images += len(batch)
    rows = (total / images).float()
    if not rows.isfinite().all() or not rows.any():
        raise TTameError(
            f"mechanism.warm_start: {backbone.name} has no finite gradient other than 0 at its layer {layer}; set it "
            "to null, or name an earlier layer as the last of mechanism.feature_layers"
        )
    return rows


@torch.no_grad()
def scale_of_range(backbone: Backbone, layer: str, rows: Tensor, batches: Iterable[Tensor], wanted: float) -> float:
    """The scale at which the maps of CAM of the images' own classes have a given range in the mean.

    Maps are logits of masks, and how large CAM's are differs by a factor of 50 between classifiers.

    Args:
        backbone: the classifier.
        layer: name of its layer.
        rows: (K, C), see `class_rows`.
        batches: (B, 3, H, W) images in [0, 1].
        wanted: the highest value of a map less its lowest, above 0.
    """
    ranges = []
    for batch in batches:
        logits, features = backbone.features(backbone.normalise(batch), [layer])
        own = rows.to(logits)[logits.argmax(1)]
        maps = torch.einsum("bc,bchw->bhw", own, backbone.to_maps(features[layer])).flatten(1)
        ranges.append((maps.amax(1) - maps.amin(1)).double().cpu())
    return wanted / max(float(torch.cat(ranges).mean()), 1e-6)


def start_from_cam(network: nn.Module, rows: Tensor, bias: float) -> None:
    """Set an untrained mechanism so that its maps are CAM of these rows, plus a bias.

    Exact where the last branch passes its features on: with the design `passing` always; with those of TAME and T-TAME
    where features are not negative, as after a ReLU. On a transformer these two pass on what their branch sees above 0
    of the features, T-TAME of patch tokens times the class token: rows then weigh that, and the map is not CAM.

    Args:
        network: a mechanism with skip connections and batch norms.
        rows: (K, C) of the last feature set, times the scale of the maps; see `class_rows`.
        bias: of every raw map.

    Raises:
        TTameError: when the mechanism has no branch that could pass features on.
    """
    norm = network.bns[-1] if isinstance(network, AttentionMechanism) and network.skip else None
    if not isinstance(norm, nn.BatchNorm2d):
        raise TTameError(
            "mechanism.warm_start: needs branches with a skip connection and a batch norm, such as T-TAME's; this "
            "mechanism has none, so set it to null"
        )
    assert isinstance(network, AttentionMechanism)
    fuser = network.fuser
    assert fuser.bias is not None
    with torch.no_grad():
        norm.weight.zero_()
        fuser.weight.zero_()
        fuser.weight[:, -rows.shape[1] :, 0, 0] = rows.to(fuser.weight)
        fuser.bias.fill_(bias)


@torch.no_grad()
def rows_of_head(backbone: Backbone, layer: str, clean: Tensor) -> Tensor | None:
    """(K, C) weights of the linear layer that gives the logits, if what it reads are the layer's means; else None.

    Args:
        backbone: the classifier.
        layer: name of its layer.
        clean: (B, 3, H, W) normalised images, of which one tells.
    """
    calls: list[tuple[nn.Linear, Tensor, Tensor]] = []

    def note(module: nn.Linear, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls.append((module, inputs[0], output))

    heads = [module for module in backbone.model.modules() if isinstance(module, nn.Linear)]
    with hooked(head.register_forward_hook(note) for head in heads):
        logits, features = backbone.features(clean, [layer])
    means = backbone.to_maps(features[layer]).mean((2, 3))
    for head, given, found in reversed(calls):
        if found.shape == logits.shape and torch.equal(found, logits):
            reads_means = given.shape == means.shape and torch.allclose(given, means, rtol=1e-4, atol=1e-5)
            return head.weight.detach().float() if reads_means else None
    return None


def _summed_gradients(backbone: Backbone, layer: str, clean: Tensor) -> Tensor:
    """(K, C) in double precision: gradients of each class's logit, summed over positions and images."""
    try:
        found = [backbone.to_maps(gradient).double().sum((0, 2, 3)) for gradient in backbone.gradients(clean, layer)]
    except RuntimeError as error:
        if is_lack_of_memory(error):
            raise
        reason = reason_of(error, most=120)
        raise TTameError(
            f"mechanism.warm_start: the logits of {backbone.name} have no gradient at its layer {layer} ({reason}); "
            "set it to null"
        ) from None
    return torch.stack(found).cpu()
