"""A process of its own that computes a little of everything; prints digests.

python numbers_of_process.py portable
python numbers_of_process.py plain
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from ttame.params.active import load_settings
from ttame.runtime.portable import make_portable

REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> None:
    portable = sys.argv[1] == "portable"
    if portable:
        make_portable()
    import numpy as np
    import torch

    from ttame.backbones.loading import load_backbone
    from ttame.metrics.imputation import impute_linear
    from ttame.runtime.device import set_up_arithmetic

    settings = load_settings(REPOSITORY / "params.yaml")
    set_up_arithmetic(settings.execution.model_copy(update={"portable": portable}))
    random = np.random.default_rng(0)
    images = torch.from_numpy(random.random((16, 3, 64, 64), np.float32))
    removed = torch.from_numpy(random.random((2, 64, 64)) < 0.7)
    found = [torch.from_numpy(random.random((50, 3000)) @ random.random((3000, 50))), images.double().exp()]
    if portable:  # which takes numba seconds to compile, for every kind of processor
        found.append(impute_linear(images[:2], removed))
    for name in ("shapes_cnn", "shapes_vit"):
        backbone = load_backbone(name, settings.models[name])
        masks = torch.full((16, 1, 64, 64), 0.5, requires_grad=True)
        optimiser = torch.optim.SGD([masks], lr=100.0)
        for _ in range(2):
            optimiser.zero_grad()
            backbone(backbone.normalise(images) * masks).log_softmax(1)[:, 0].sum().backward()
            optimiser.step()
        found.append(masks.detach())
    print(*(hashlib.sha256(numbers.contiguous().numpy().tobytes()).hexdigest()[:12] for numbers in found))


if __name__ == "__main__":
    main()
