"""A small recipe, and the paper's loss, for the trainings of the tests."""

from __future__ import annotations

from ttame.params.attention import LossSettings, RecipeSettings

LOSS = LossSettings()
RECIPE = RecipeSettings(
    epochs=3,
    batch_size=4,
    accumulate=1,
    optimiser="SGD",
    momentum=0.9,
    weight_decay=5e-4,
    bias_rate=1.0,
    sharpness=0.0,
    precision="float32",
    augment=True,
    seed=3,
)
