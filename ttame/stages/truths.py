"""Stage: the class that a classifier gives every training image, in the format of the published lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from lightning_fabric import Fabric
from torch import Tensor

from ttame.backbones.backbone import Backbone
from ttame.backbones.loading import load_backbone
from ttame.data.contents import open_checked
from ttame.data.datalists import read_names, write_datalist
from ttame.data.dataset import ImageDataset, in_order, load_batches
from ttame.data.transforms import to_unit_range
from ttame.errors import TTameError
from ttame.params.settings import TRUTHS_PIECE, Settings
from ttame.params.specification import classifier_specification
from ttame.runtime.processes import open_processes
from ttame.stages.pieces import Part, finish_pieces
from ttame.store.digests import file_digest
from ttame.store.paths import contents_file, list_file, model_truths_file
from ttame.store.scratch import Scratch


def run(settings: Settings, backbone_name: str, part: Part | None = None) -> None:
    """Write `train.txt`, a `path class` a line; a part leaves its pieces for the run of the whole.

    The images are the centre crops that maps and scores use. The processes take the pieces of the list, or of the part,
    in turn.
    """
    processes = open_processes(settings.execution)
    backbone = load_backbone(backbone_name, settings.models[backbone_name]).to(processes.device)
    names = read_names(list_file(settings, "train"))
    target = model_truths_file(settings, backbone_name)
    identity = {
        "model": classifier_specification(settings, backbone_name),
        "images": file_digest(contents_file(settings, "train")),
        "batch_size": settings.execution.batch_size,
        "portable": settings.execution.portable,
    }
    scratch = Scratch(target, identity)
    _classify(settings, backbone, names, scratch, processes, part)
    processes.barrier()
    if processes.is_global_zero and part is None:
        pieces = [scratch.load(number) for number in range(len(in_order(len(names), TRUTHS_PIECE)))]
        lost = [number for number, piece in enumerate(pieces) if piece is None]
        if lost:
            raise TTameError(
                f"{scratch.folder}: {len(lost)} of {len(pieces)} pieces are not there, {lost[0]} for one; run `python "
                f"-m ttame truths {backbone_name}` again, and on several nodes in a folder that all of them share"
            )
        classes = torch.cat([piece["classes"] for piece in pieces if piece is not None])
        write_datalist(target, list(zip(names, classes.tolist(), strict=True)))
        scratch.clear()


@torch.no_grad()
def _classify(
    settings: Settings, backbone: Backbone, names: list[str], scratch: Scratch, processes: Fabric, part: Part | None
) -> None:
    """Finish the pieces of this process."""
    pieces = in_order(len(names), TRUTHS_PIECE)
    size, workers = settings.execution.batch_size, settings.execution.workers
    source = open_checked(settings.data, "train", contents_file(settings, "train"))
    dataset = ImageDataset(source, names, backbone.preprocessing)

    def classify(missing: list[int], advance: Callable[[int], object]) -> Iterator[dict[str, Tensor]]:
        groups = [[pieces[number][at : at + size] for at in range(0, len(pieces[number]), size)] for number in missing]
        loaded = load_batches(dataset, [batch for group in groups for batch in group], workers, processes.device)
        for group in groups:
            classes = []
            for _ in group:
                images = to_unit_range(next(loaded).to(processes.device, non_blocking=True))
                images = images.contiguous(memory_format=torch.channels_last)
                classes.append(backbone(backbone.normalise(images)).argmax(1).cpu())
                advance(len(images))
            yield {"classes": torch.cat(classes)}

    wanted = range(len(pieces)) if part is None else part.of(len(pieces))
    mine = wanted[processes.global_rank :: processes.world_size]
    sizes = [len(piece) for piece in pieces]
    title = f"model truths {backbone.name}" + ("" if part is None else f" --part {part}")
    finish_pieces(scratch, sizes, classify, title, mine=mine, shown=processes.is_global_zero)
