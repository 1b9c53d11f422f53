"""The only list of methods. A method is added by one entry here and one file beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ttame.errors import NotDefined
from ttame.explainers.entry import BOTH, TRANSFORMERS, BackboneKind, Entry, Kind, Training
from ttame.explainers.options import (
    AblationCAMOptions,
    CenterOptions,
    IIAOptions,
    IntegratedGradientsOptions,
    LRPOptions,
    RandomOptions,
    RISEOptions,
    RolloutOptions,
    ScoreCAMOptions,
    SmoothGradOptions,
)

SELVARAJU = "Selvaraju et al., ICCV 2017, 10.1109/ICCV.2017.74"
TAME = "Ntrougkas et al., ISM 2022"
T_TAME = "Ntrougkas et al., IEEE Access 2024, 10.1109/ACCESS.2024.3405788"
P_TAME = "Ntrougkas et al., IEEE OJSP 2025, 10.1109/OJSP.2025.3568756"
L_CAM = "Gkartzonika et al., ECCVW 2022"
ABNAR = "Abnar and Zuidema, ACL 2020, 10.18653/v1/2020.acl-main.385"
CHEFER = "Chefer et al., CVPR 2021, 10.1109/CVPR46437.2021.00084"
PATENT = (
    "the rules of layer-wise relevance propagation are the subject of a patent; by the README of a later published "
    "work they are free for personal and scientific use"
)


def _learned(
    title: str,
    design: str,
    citation: str,
    *,
    masks: Literal["image", "features"] = "image",
    cross_entropy_only: bool = False,
    reads_auxiliary: bool = False,
    works_on: tuple[BackboneKind, ...] = BOTH,
    kind: Kind = "learned",
    defaults: Mapping[str, Any] | None = None,
) -> Entry:
    training = Training(design, masks, cross_entropy_only, reads_auxiliary, defaults or {})
    passes = "1 + 0 of the auxiliary classifier" if reads_auxiliary else "1 + 0"
    return Entry(title, kind, "ttame.explainers.learned:Learned", passes, citation, works_on, training)


def _cam(title: str, location: str, citation: str, passes: str = "1 + 1") -> Entry:
    return Entry(title, "gradient", f"ttame.explainers.{location}", passes, citation, reads_target_layer=True)


def _ablation(title: str, design: str, works_on: tuple[BackboneKind, ...] = BOTH) -> Entry:
    return _learned(title, design, f"ablation study of {T_TAME}", works_on=works_on, kind="ablation")


def _attention(title: str, location: str, citation: str, passes: str = "1 + 1", **others: Any) -> Entry:
    return Entry(title, "attention", f"ttame.explainers.{location}", passes, citation, TRANSFORMERS, **others)


BEAT_IT = "a method must beat it"
LAST_LAYER: Mapping[str, Any] = {"mechanism": {"feature_layers": [-1]}}
CROSS_ENTROPY: Mapping[str, Any] = {**LAST_LAYER, "loss": {"area": 0.0, "variation": 0.0}}
# The recipe of P-TAME for ResNet-50; experiments/paper.yaml has what it changes for VGG-16 and ViT-B-16.
P_TAME_RECIPE: Mapping[str, Any] = {
    "mechanism": {"auxiliary": "resnet18"},
    "loss": {"cross_entropy": 0.1614, "area": 0.8386, "variation": 0.0},
    "recipe": {"epochs": 1, "optimiser": "AdamW", "amsgrad": True, "weight_decay": 2.4e-4},
    "learning_rate": 1e-4,
}
RANKED: Mapping[str, Any] = {
    "mechanism": {"warm_start": {}},
    "loss": {"ranked_masks": 0.5, "complement": 0.5},
}

EXPLAINERS: dict[str, Entry] = {
    "ground_truth": Entry(
        "Ground truth",
        "control",
        "ttame.explainers.ground_truth:GroundTruth",
        "0 + 0",
        "the object's own mask, the end of the scale",
    ),
    "random": Entry("Random", "control", "ttame.explainers.random:Random", "0 + 0", BEAT_IT, options=RandomOptions),
    "center": Entry("Center", "control", "ttame.explainers.center:Center", "0 + 0", BEAT_IT, options=CenterOptions),
    "everything_but_one": Entry(
        "Everything but one",
        "control",
        "ttame.explainers.everything_but_one:EverythingButOne",
        "0 + 0",
        "a measure that it wins measures nothing",
    ),
    "gradcam": _cam("Grad-CAM", "gradcam:GradCAM", SELVARAJU),
    "gradcam++": _cam(
        "Grad-CAM++", "gradcam++:GradCAMPlusPlus", "Chattopadhay et al., WACV 2018, 10.1109/WACV.2018.00097"
    ),
    "xgradcam": _cam("XGrad-CAM", "xgradcam:XGradCAM", "Fu et al., BMVC 2020, arXiv 2008.02312"),
    "layercam": _cam("Layer-CAM", "layercam:LayerCAM", "Jiang et al., IEEE TIP 2021, 10.1109/TIP.2021.3089943"),
    "hirescam": _cam("HiResCAM", "hirescam:HiResCAM", "Draelos and Carin 2020, arXiv 2011.08891"),
    "eigencam": _cam(
        "Eigen-CAM", "eigencam:EigenCAM", "Muhammad and Yeasin, IJCNN 2020, 10.1109/IJCNN48605.2020.9206626", "1 + 0"
    ),
    "eigengradcam": _cam(
        "Eigen-Grad-CAM", "eigengradcam:EigenGradCAM", "Eigen-CAM on gradient times activation, package grad-cam"
    ),
    "integrated_gradients": Entry(
        "Integrated gradients",
        "gradient",
        "ttame.explainers.integrated_gradients:IntegratedGradients",
        "S + S",
        "Sundararajan et al., ICML 2017, arXiv 1703.01365",
        options=IntegratedGradientsOptions,
    ),
    "smoothgrad": Entry(
        "SmoothGrad",
        "gradient",
        "ttame.explainers.smoothgrad:SmoothGrad",
        "N + N",
        "Smilkov et al. 2017, arXiv 1706.03825",
        options=SmoothGradOptions,
    ),
    "scorecam": Entry(
        "Score-CAM",
        "perturbation",
        "ttame.explainers.scorecam:ScoreCAM",
        "(1 + C) + 0",
        "Wang et al., CVPRW 2020, 10.1109/CVPRW50498.2020.00020",
        options=ScoreCAMOptions,
        reads_target_layer=True,
    ),
    "ablationcam": Entry(
        "Ablation-CAM",
        "perturbation",
        "ttame.explainers.ablationcam:AblationCAM",
        "(1 + C from the target layer on) + 0",
        "Desai and Ramaswamy, WACV 2020, 10.1109/WACV45572.2020.9093360",
        options=AblationCAMOptions,
        reads_target_layer=True,
    ),
    "rise": Entry(
        "RISE",
        "perturbation",
        "ttame.explainers.rise:RISE",
        "N + 0",
        "Petsiuk et al., BMVC 2018, arXiv 1806.07421",
        options=RISEOptions,
    ),
    "iia": Entry(
        "IIA",
        "integrated",
        "ttame.explainers.iia:IIA",
        "(S + 1) + (S + 1); on transformers (S + 1)(S + 2) + (S + 1)^2",
        "Barkan et al., ICCV 2023",
        options=IIAOptions,
        reads_target_layer=True,
    ),
    "rollout": _attention("Rollout", "rollout:Rollout", ABNAR, "1 + 0", options=RolloutOptions),
    "lrp": _attention("Transformer LRP", "lrp:TransformerLRP", CHEFER, options=LRPOptions, notice=PATENT),
    "gae": _attention("GAE", "gae:GAE", "Chefer et al., ICCV 2021, 10.1109/ICCV48922.2021.00045"),
    "legrad": _attention("LeGrad", "legrad:LeGrad", "Bousselham et al., ICCV 2025, arXiv 2404.03214"),
    "lcam_img": _learned("L-CAM-Img", "lcam", L_CAM, defaults=LAST_LAYER),
    "lcam_fm": _learned("L-CAM-Fm", "lcam", L_CAM, masks="features", defaults=LAST_LAYER),
    "lcam_img_a": _learned("L-CAM-Img (CE)", "lcam", L_CAM, cross_entropy_only=True, defaults=CROSS_ENTROPY),
    "lcam_fm_a": _learned(
        "L-CAM-Fm (CE)", "lcam", L_CAM, masks="features", cross_entropy_only=True, defaults=CROSS_ENTROPY
    ),
    # On a CNN, which has no class token, TAME and T-TAME are the same network: the row is T-TAME's.
    "tame": _learned("TAME", "tame", TAME, works_on=TRANSFORMERS),
    "ttame": _learned("T-TAME", "ttame", T_TAME),
    "ptame": _learned("P-TAME", "ptame", P_TAME, reads_auxiliary=True, defaults=P_TAME_RECIPE),
    # Ours: T-TAME that starts from CAM, orders the pixels, and asks the rest of the image to lose the class.
    "ttame_ranked": _learned("T-TAME (warm, ranked)", "passing", f"ours, after {T_TAME}", defaults=RANKED),
    "no_skip": _ablation("No skip", "no_skip"),
    "no_skip_no_norm": _ablation("No skip, no norm", "no_skip_no_norm"),
    "sigmoid_branches": _ablation("Sigmoid branches", "sigmoid_branches"),
    "tattention_v1": _ablation("TAttention V1", "tattention_v1", TRANSFORMERS),
    "tattention_v1_1": _ablation("TAttention V1.1", "tattention_v1_1", TRANSFORMERS),
    "tattention_v1_2": _ablation("TAttention V1.2", "tattention_v1_2", TRANSFORMERS),
    "tattention_v2": _ablation("TAttention V2", "tattention_v2", TRANSFORMERS),
    "tattention_v2_1": _ablation("TAttention V2.1", "tattention_v2_1", TRANSFORMERS),
    "tattention_v2_2": _ablation("TAttention V2.2", "tattention_v2_2", TRANSFORMERS),
    "tattention_v3": _ablation("TAttention V3", "tattention_v3"),
}


def registered_name(method: str) -> str:
    """The registered part of a method's name: a learned one may be compared with itself as `ttame-any_label`."""
    name, _, label = method.partition("-")
    return name if label and name in EXPLAINERS and EXPLAINERS[name].needs_training else method


def is_trained(method: str) -> bool:
    """Whether this is the name of a method with an attention mechanism to train."""
    return registered_name(method) in EXPLAINERS and EXPLAINERS[registered_name(method)].needs_training


def find(method: str) -> Entry:
    """The entry of a method, with or without a label.

    Raises:
        KeyError: when there is none of that name.
    """
    return EXPLAINERS[registered_name(method)]


def refuse_undefined_pair(method: str, backbone: str, is_transformer: bool) -> None:
    """Check a method against the kind of a classifier.

    Raises:
        NotDefined: when it is defined on the other kind alone.
    """
    if ("transformer" if is_transformer else "CNN") not in find(method).works_on:
        instead = "ttame" if is_trained(method) else "gradcam, rise, iia or ttame"
        raise NotDefined(
            f"{method} is defined on transformers alone, whose tokens are the same from block to block, and {backbone} "
            f"is none (a CNN, or windows and stages as of Swin); use {instead} there"
        )


def title(method: str) -> str:
    """What tables call a method: `T-TAME (two layers)` for `ttame-two_layers`."""
    label = method.removeprefix(registered_name(method)).removeprefix("-").replace("_", " ")
    return f"{find(method).title} ({label})" if label else find(method).title


def in_order(methods: Iterable[str]) -> list[str]:
    """Methods in the order of the registry, which is the order of the tables; labelled ones after their own."""
    places = {name: place for place, name in enumerate(EXPLAINERS)}
    return sorted(methods, key=lambda method: (places[registered_name(method)], method))
