from __future__ import annotations

import numpy as np
import pytest
import torch

from ttame.measures.judged_fidelity import removals, split_order


@pytest.mark.parametrize(
    ("share", "removed", "of_top", "of_others"),
    [
        (10, 0.1, 5, 10),  # half of 10 cells; of the other 90 no more than 10
        (50, 0.1, 10, 10),  # half of 50 would be 25
        (10, 1.0, 5, 45),  # half of each, nothing clipped
        (1, 0.1, 0, 10),  # half of a cell is none
    ],
)
def test_half_of_the_cells_but_never_more_than_may_go(share: int, removed: float, of_top: int, of_others: int) -> None:
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    top, others = split_order(order, share)
    assert len(top) == share
    assert torch.equal(torch.cat([top, others]), order)
    for chosen, count in ((top, of_top), (others, of_others)):
        gone = removals(chosen, 100, removed, 20, np.random.default_rng(1))
        assert gone.sum(1).tolist() == [count] * 20
        assert not gone[:, [cell for cell in range(100) if cell not in chosen.tolist()]].any()


def test_draws_by_a_plain_loop() -> None:
    chosen = torch.tensor([3, 8, 1, 6, 9])
    gone = removals(chosen, 10, 0.9, 3, np.random.default_rng(7))
    random = np.random.default_rng(7)
    for draw in range(3):
        expected = {int(chosen[place]) for place in random.permutation(5)[:2]}
        assert set(gone[draw].nonzero()[:, 0].tolist()) == expected
    assert len({tuple(row) for row in gone.tolist()}) > 1, "another half in every draw"
