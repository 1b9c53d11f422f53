"""Train the two classifiers of the embedded data set and write their weights into the package.

    python scripts/train_shapes_classifiers.py cnn   # about 10 minutes on 2 CPU cores
    python scripts/train_shapes_classifiers.py vit   # about 45 minutes; distils from the CNN

Outside the pipeline on purpose: the classifiers are the thing explained, so they are given, as in the paper.

An explanation is judged by what the classifier says about a masked image, so a masked image must not be a foreign
world to it: parts of most images are blacked out at random, and the target fades to the uniform distribution as the
object does. Label smoothing keeps the confidences away from 1, where no mask could raise them.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from ttame.backbones import shapes as classifiers
from ttame.data.shapes import CLASS_NAMES, render

# Seeds of their own: the data lists of the pipeline use small ones, so no image is shared.
TRAINING_SEED, HELD_OUT_SEED = 9_000_001, 9_000_002
TRAINING_IMAGES, HELD_OUT_IMAGES = 48_000, 4_000
WEIGHTS = Path(classifiers.__file__).with_name("weights")

Batch = tuple[Tensor, Tensor, Tensor]


def render_many(seed: int, count: int) -> Batch:
    """`count` images: (N, 3, 64, 64) uint8, object masks (N, 1, 64, 64) uint8, labels (N,)."""
    with ProcessPoolExecutor() as pool:
        images = list(pool.map(partial(render, seed), range(count), chunksize=500))
    pixels = torch.from_numpy(np.stack([image.pixels for image in images])).permute(0, 3, 1, 2).contiguous()
    masks = torch.from_numpy(np.stack([image.object_mask for image in images]).astype(np.uint8))[:, None]
    return pixels, masks, torch.tensor([image.label for image in images])


def random_visibility(objects: Tensor) -> Tensor:
    """(B, 1, 64, 64) zeros and ones: which pixels are left. A mixture of all, the object's surroundings, blobs, boxes.

    Regions are blacked out whole and never dimmed, so the classifier has no invariance that a soft mask could abuse.
    """
    batch, _, height, width = objects.shape

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(batch, 1, 1, 1).uniform_(low, high)

    margin = int(torch.randint(0, 7, ()))
    around_object = functional.max_pool2d(objects, 2 * margin + 1, 1, margin)

    cells = int(torch.randint(3, 9, ()))
    noise = functional.interpolate(torch.rand(batch, 1, cells, cells), (height, width), mode="bilinear")
    blobs = (noise > uniform(0.2, 0.6)).float()

    rows, columns = torch.arange(height).view(1, 1, -1, 1), torch.arange(width).view(1, 1, 1, -1)
    top, left = uniform(-10, 54), uniform(-10, 54)
    box = (rows >= top) & (rows < top + uniform(10, 40)) & (columns >= left) & (columns < left + uniform(10, 40))

    kind = torch.rand(batch, 1, 1, 1)
    visibility = torch.ones(batch, 1, height, width)
    visibility = torch.where(kind < 0.60, around_object, visibility)
    visibility = torch.where(kind < 0.40, blobs, visibility)
    return torch.where(kind < 0.20, 1.0 - box.float(), visibility)


def soft_targets(labels: Tensor, visibility: Tensor, objects: Tensor) -> Tensor:
    """(B, 10) target distribution: the smoothed label when the object is visible, uniform when it is gone."""
    visible = (visibility * objects).sum((1, 2, 3)) / objects.sum((1, 2, 3))
    certainty = 0.92 * ((visible - 0.1) / 0.35).clamp(0, 1)
    classes = len(CLASS_NAMES)
    uniform = torch.full((len(labels), classes), 1.0 / classes)
    return uniform + certainty[:, None] * (functional.one_hot(labels, classes) - uniform)


def augment(pixels: Tensor, objects: Tensor) -> tuple[Tensor, Tensor]:
    """Flips, quarter turns and a change of contrast and brightness; (B, 3, H, W) in [0, 1]."""
    turns = int(torch.randint(0, 4, ()))
    pixels, objects = torch.rot90(pixels, turns, (2, 3)), torch.rot90(objects, turns, (2, 3))
    if torch.rand(()) < 0.5:
        pixels, objects = pixels.flip(3), objects.flip(3)
    gain = torch.empty(len(pixels), 3, 1, 1).uniform_(0.8, 1.15)
    return (pixels * gain).clamp(0, 1), objects


def normalise(pixels: Tensor) -> Tensor:
    """n(x) of (B, 3, H, W) pixels in [0, 1]."""
    mean, std = torch.tensor(classifiers.MEAN), torch.tensor(classifiers.STD)
    return ((pixels - mean[:, None, None]) / std[:, None, None]).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def accuracy(model: nn.Module, held_out: Batch) -> float:
    """Share of held-out images classified right, in percent."""
    model.eval()
    pixels, _, labels = held_out
    hits = sum(
        int((model(normalise(part / 255.0)).argmax(1) == truth).sum())
        for part, truth in zip(pixels.split(250), labels.split(250), strict=True)
    )
    return 100.0 * hits / len(labels)


def train(
    model: nn.Module, teacher: nn.Module | None, epochs: int, learning_rate: float, images: int, batch: int
) -> None:
    """AdamW and one cycle, on freshly augmented images every epoch; prints loss and held-out accuracy."""
    training, held_out = render_many(TRAINING_SEED, images), render_many(HELD_OUT_SEED, HELD_OUT_IMAGES)
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.05)
    steps = images // batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, epochs * steps, pct_start=0.15)
    started = time.monotonic()
    for epoch in range(epochs):
        model.train()
        losses = []
        for chosen in torch.randperm(images)[: steps * batch].split(batch):
            pixels, objects = augment(training[0][chosen] / 255.0, training[1][chosen].float())
            visibility = random_visibility(objects)
            target = soft_targets(training[2][chosen], visibility, objects)
            inputs = normalise(pixels * visibility)
            if teacher is not None:
                with torch.no_grad():
                    target = 0.5 * (target + teacher(inputs).softmax(1))
            loss = functional.cross_entropy(model(inputs), target)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            schedule.step()
            losses.append(loss.detach())
        print(
            f"epoch {epoch + 1}/{epochs}  loss {torch.stack(losses).mean():.4f}  "
            f"held-out {accuracy(model, held_out):.2f} %  {time.monotonic() - started:.0f} s",
            flush=True,
        )


def main() -> None:
    """Train one classifier and write its weights."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("classifier", choices=["cnn", "vit"])
    parser.add_argument("--epochs", type=int, help="default: 4 for the CNN, 12 for the transformer")
    parser.add_argument("--images", type=int, default=TRAINING_IMAGES, help="training images to render")
    parser.add_argument("--output", type=Path, default=WEIGHTS, help="folder for the weights")
    arguments = parser.parse_args()
    torch.manual_seed(0)
    if arguments.classifier == "cnn":
        model, teacher = classifiers.shapes_cnn(), None
        train(model.to(memory_format=torch.channels_last), None, arguments.epochs or 4, 3e-3, arguments.images, 128)
    else:
        teacher = classifiers.shapes_cnn()
        teacher.load_state_dict(load_file(WEIGHTS / "shapes_cnn.safetensors"), strict=True)
        teacher.eval().to(memory_format=torch.channels_last)
        model = classifiers.shapes_vit()
        train(model, teacher, arguments.epochs or 12, 1.5e-3, arguments.images, 128)
    # Half precision halves the package; the classifier that everyone explains is the rounded one.
    state = {
        name: tensor.half().contiguous() if tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    arguments.output.mkdir(parents=True, exist_ok=True)
    save_file(state, arguments.output / f"shapes_{arguments.classifier}.safetensors")


if __name__ == "__main__":
    main()
