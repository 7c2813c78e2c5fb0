"""Has the tool collapsed? Whether the first boxes differ from image to image, or whether one place serves for all.

Boxes are compared in two ways: by their place (which of `PLACES` squares of a 3 x 3 grid their centre lies in), and
exactly, to a hundredth of the image. Entropy is that of the places over its maximum, the logarithm of nine: an agent
that alternates between two places has .32, not 1. Damage that lies everywhere alike makes 1; the entropy of the true
regions of the same images stands beside it where they are known.
"""

import math
from collections import Counter
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from loupe.bench.audit.material import Material, Seeds, images_in
from loupe.bench.audit.rows import Figure, Limits, Row
from loupe.bench.correlate import UNDEFINED, Floats, Interval, Weighted
from loupe.bench.predictions import Prediction
from loupe.core.records import Box
from loupe.zoom.look import Look

SECTION = "Does the first box follow the image?"
SIDE = 3
PLACES = SIDE * SIDE
ENTROPY = Limits(red=0.5, green=0.5)
"""Half of the maximum: three of nine places in even use."""
SHARE = Limits(higher_is_better=False, red=0.5, green=0.5)
REASON = "the tool has collapsed: one box is asked for whatever the image shows"


def collapse(material: Material) -> list[Row]:
    """Spread of the first boxes over the images on which a crop was asked for, and that of the true regions.

    Where the damage itself keeps to few places, boxes that do so too are right, and the row is not judged.
    """
    runs = _zoomed(material)
    boxes = [[item.episode.turns[1].view for item in run] for run in runs]
    local = [[item for item in run if _region(item) is not None] for run in runs]
    regions = [[box for item in run if (box := _region(item)) is not None] for run in local]
    truth = _spread(material, local, regions, judged=False)
    judged = not images_in(local) or truth[0].value.value > ENTROPY.red
    figures = _spread(material, runs, boxes, judged=judged)
    rows = [Row(SECTION, "first crops that the agent chose", images_in(runs), figures, REASON, seeds=len(runs))]
    if images_in(local):
        rows.append(Row(SECTION, "true regions of those images", images_in(local), truth, "", seeds=len(local)))
    return rows


def box_counts(material: Material) -> dict[str, int]:
    """How often the agent's first crop was in each place, row by row from the top left, first seed."""
    counts = Counter(place(item.episode.turns[1].view) for run in _zoomed(material)[:1] for item in run)
    return {f"row {at // SIDE + 1}, column {at % SIDE + 1}": counts[at] for at in range(PLACES)}


def place(box: Box) -> int:
    """Square of the 3 x 3 grid that the centre of a box lies in, 0 to 8, row by row."""
    column, row = (min(SIDE - 1, int(SIDE * middle / 2)) for middle in (box[0] + box[2], box[1] + box[3]))
    return row * SIDE + column


def entropy(boxes: Sequence[Box]) -> Weighted:
    """Entropy of the places over log 9, 0 (one place) to 1 (all alike)."""
    members = _members([place(box) for box in boxes])

    def of(weights: Floats) -> Floats:
        shares = (weights @ members) / weights.sum(axis=1, keepdims=True)
        logs = np.log(np.where(shares > 0.0, shares, 1.0))
        return -(shares * logs).sum(axis=1) / math.log(PLACES)

    return of


def identical(boxes: Sequence[Box]) -> Weighted:
    """Chance that two different images were given the same box, 0 to 1; NaN for a single image."""
    members = _members([_exact(box) for box in boxes])

    def of(weights: Floats) -> Floats:
        counts, total = weights @ members, weights.sum(axis=1)
        # An image that a draw took twice is not two images that were given one box.
        same = np.square(counts).sum(axis=1) - np.square(weights).sum(axis=1)
        pairs = np.square(total) - np.square(weights).sum(axis=1)
        return np.where(pairs > 0.0, same / np.where(pairs > 0.0, pairs, 1.0), math.nan)

    return of


def most_frequent(boxes: Sequence[Box]) -> Weighted:
    """Share of the box that was shown most often, 0 to 1."""
    members = _members([_exact(box) for box in boxes])
    return lambda w: (w @ members).max(axis=1) / w.sum(axis=1)


def _spread(material: Material, runs: Seeds, boxes: Sequence[Sequence[Box]], *, judged: bool) -> tuple[Figure, ...]:
    """The three figures of `boxes` (seeds, images), which belong to the predictions `runs`."""

    def over(figure: Callable[[Sequence[Box]], Weighted]) -> Interval:
        return material.over(runs, [figure(row) for row in boxes]) if images_in(runs) else UNDEFINED

    return (
        Figure("entropy of places", over(entropy), ENTROPY if judged else None, signed=False),
        Figure("identical pairs", over(identical), SHARE if judged else None, signed=False),
        Figure("most frequent box", over(most_frequent), SHARE if judged else None, signed=False),
    )


def _zoomed(material: Material) -> Seeds:
    """Predictions as decided on images that were zoomed into. Seeds may differ in which: those of all seeds count."""
    runs = material.of(Look.DECIDED.value)
    always = {item.sample.id for item in runs[0] if item.episode.zoomed} if runs else set[str]()
    for run in runs[1:]:
        always &= {item.sample.id for item in run if item.episode.zoomed}
    return material.of(Look.DECIDED.value, keep=lambda item: item.sample.id in always)


def _region(item: Prediction) -> Box | None:
    damage = item.sample.degradation
    return damage.bbox_2d if damage is not None and damage.is_local else None


def _exact(box: Box) -> tuple[int, ...]:
    return tuple(round(100 * side) for side in box)


def _members(kinds: Sequence[Hashable]) -> Floats:
    """1 where an item is of a kind (items, kinds)."""
    columns = {kind: at for at, kind in enumerate(dict.fromkeys(kinds))}
    table = np.zeros((len(kinds), len(columns)))
    table[np.arange(len(kinds)), [columns[kind] for kind in kinds]] = 1.0
    return table
