from __future__ import annotations

import torch

from ttame.cli.live_memory import LiveMemory, memory_bytes, peak_bytes

CPU = torch.device("cpu")
KILOBYTE = 250
"""Numbers in float32."""


def test_the_most_that_lives_at_once_counts() -> None:
    with LiveMemory() as live:
        first = torch.zeros(3 * KILOBYTE)
        del first
        second = torch.zeros(KILOBYTE)
        third = torch.zeros(KILOBYTE)
        assert second.shape == third.shape
    assert live.peak == 3000


def test_views_and_what_was_there_do_not_count() -> None:
    before = torch.zeros(100 * KILOBYTE)

    def work() -> None:
        made = before[:KILOBYTE] + 1
        made.view(10, -1).t().add_(1)
        before.mul_(2)

    assert peak_bytes(work, CPU) == 1000


def test_what_a_backward_pass_waits_for_counts() -> None:
    images = torch.zeros(KILOBYTE)

    def forward() -> torch.Tensor:
        return images.exp().exp().exp().exp()

    assert peak_bytes(forward, CPU) == 2000, "one is read and one is written"
    images.requires_grad_()
    assert peak_bytes(forward, CPU) == 4000
    with LiveMemory() as live:
        forward().sum().backward()
    assert 5000 <= live.peak < 5100, "the first product comes on top, and what it is made of goes"


def test_memory_of_this_process() -> None:
    assert memory_bytes() > 50e6
