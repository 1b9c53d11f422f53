"""`ttame import-checkpoint FILE --backbone NAME`: a published checkpoint as one of ours."""

from __future__ import annotations

from pathlib import Path

from ttame.attention.checkpoint import save_checkpoint
from ttame.attention.published import design_of, import_checkpoint, read_hyper_parameters
from ttame.backbones.loading import load_backbone
from ttame.errors import TTameError, suggestion
from ttame.explainers.registry import EXPLAINERS, find, registered_name
from ttame.params.settings import ModelSettings, Settings


def run(settings: Settings, file: Path, backbone_name: str, method: str | None, output: Path | None) -> str:
    """Write the mechanism as safetensors; what was done, and how an experiment uses it.

    Args:
        settings: the active experiment.
        file: a Lightning checkpoint of T-TAME or L-CAM.
        backbone_name: a key of `models`, or the name of a model.
        method: what it is, or None to take what the checkpoint says; L-CAM's do not say it.
        output: the file to write, or None for FILE with the ending `.safetensors` in the current folder.

    Raises:
        TTameError: when the file cannot be imported, or nobody says which method it is.
    """
    model = settings.models.get(backbone_name, ModelSettings(model=backbone_name, weights="default"))
    told = read_hyper_parameters(file)
    backbone = load_backbone(backbone_name, model)
    if method is None:
        design = design_of(told, backbone)
        if design is None:
            raise TTameError(
                f"{file}: does not say which mechanism it holds; name its method with --method, lcam_img say"
            )
        method = next(name for name, entry in EXPLAINERS.items() if entry.training and entry.training.design == design)
    trained = [name for name, entry in EXPLAINERS.items() if entry.training]
    if registered_name(method) not in trained:
        hint = suggestion(method, trained) or f"; expected one of {', '.join(trained)}"
        raise TTameError(f"--method: {method!r} is not a method that is trained{hint}")
    training = find(method).training
    assert training is not None
    target = output or Path(f"{file.stem}.safetensors")
    save_checkpoint(target, import_checkpoint(file, backbone, training.design), backbone, training.design)
    return (
        f"{target}: {method} on {backbone_name}. To use it instead of training, set\n"
        f"  attention.{method}.checkpoints: {{{backbone_name}: {target}}}\nin params.yaml; with several methods.seeds, "
        "{seed} in the path stands for each."
    )
