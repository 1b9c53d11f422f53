"""Do two maps rank pixels alike? (Adebayo et al., Sanity checks for saliency maps, NeurIPS 2018, section 3)"""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from torch import Tensor


def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's correlation of the pixels of two maps, ties with their mean rank.

    Args:
        first, second: (B, h, w), any finite values.

    Returns:
        (B,) float64 in [-1, 1]; 0 where a map is constant. Between a map and the map of a classifier that knows
        nothing any more, near 0 is what a method that explains the classifier should have.
    """
    pixels = [maps.detach().cpu().flatten(1).double().numpy() for maps in (first, second)]
    # Of pandas, since importing scipy.stats takes half a second of a stage.
    ranks = [pd.DataFrame(values.T).rank().to_numpy().T for values in pixels]
    one, other = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    size = np.sqrt((one**2).sum(axis=1) * (other**2).sum(axis=1))
    return torch.from_numpy(np.divide((one * other).sum(axis=1), size, out=np.zeros_like(size), where=size > 0))
