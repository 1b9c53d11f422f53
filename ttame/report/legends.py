"""The sentences that stand between the tables."""

from __future__ import annotations

from ttame.params.evaluation import MetricSettings
from ttame.params.settings import MethodSettings

LEGEND = """\
AD, average drop (lower is better), and IC, increase in confidence (higher is better), in percent, when only the most
salient share of the image, {shares} %, is kept; AG, average gain (higher is better): how much of what was missing to a
probability of 1 the masked image brings. ROAD: percent of the images still classified the same after removing
the most (MoRF, lower is better) or least (LeRF, higher is better) relevant pixels, mean over the shares. Deletion
(lower is better) and insertion (higher is better): mean probability while the most salient pixels are deleted from the
image, or brought back to a blurred one.{adcc} All these in percent. Forward and backward passes are counted, per map.
Every method explains the model truth, the class that the frozen classifier gives the clean image.
{measures}
Of the methods, controls aside, the **best** is bold and the <u>second</u> underlined; ≈ is no worse than the best as
far as these images tell (paired permutation test, Holm's correction, 5 %).
"""
ADCC = " ADCC (higher is better): harmonic mean of what AD leaves, coherency and simplicity."
SEEN = """\
A trained mechanism has no trained map for a class that was never a model truth in its training: that is the share
*Untrained %* above. The same comparison on the images whose class was seen, for every method:
"""
INTERVALS = "95 % intervals, bootstrap over {drawn}:\n"
DIFFERENCES = """\
Difference to {reference} on the same images; * is significant at 5 % (paired permutation test, Holm's correction over
the methods):
"""
SEEDS = """\
Chance in training: the means of every seed. Two or three show that it is there; to tell methods apart in spite of it
takes about five.
"""
BOLD = "Best in bold, second best underlined."
MEASURES_CHECKED = """\
What the measures can tell. *Separates*: percent of the pairs of methods whose difference is significant (5 %, Holm's
correction over the pairs) as these maps are, without chance in training. *Noise τ*: Kendall's rank correlation of the
noise that is mixed into the maps of the methods that the measure calls best with a worse score; 1 when every step makes
it worse. Of a trained one it is the best seed; what is called no better than noise is not mixed with it. *Truth first*:
whether the ground truth is above every control. *Fooled*: percent of the methods that are called worse than a map of
everything but one corner.
"""
SANITY = """\
Sanity check: rank correlation of the map with the map after so many layers, counted from the output, were randomised,
mean over {images} images. A method that explains what the classifier learned ends near 0:
"""


def legend(metrics: MetricSettings, measures: str) -> str:
    """What the columns are: those of an experiment's metrics, and a paragraph for every further measure."""
    shares = ", ".join(str(share) for share in metrics.shares)
    return LEGEND.format(shares=shares, adcc=ADCC if metrics.coherency else "", measures=measures)


def seeds_in_caption(methods: MethodSettings) -> str:
    """A sentence for the caption of a table, if trained methods have several seeds."""
    several = methods.trained and len(methods.seeds) > 1
    return f" Trained methods: mean over {len(methods.seeds)} seeds." if several else ""


def drawn(methods: MethodSettings) -> str:
    """What intervals and tests draw, as a part of a sentence: with one seed they say nothing of another training."""
    if not methods.trained:
        return "images or grids"
    if len(methods.seeds) == 1:
        return "images or grids, of one training of every learned method, so without chance in training"
    return f"images or grids and over the {len(methods.seeds)} seeds of every learned method"
