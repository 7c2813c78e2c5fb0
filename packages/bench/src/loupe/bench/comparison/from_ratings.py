"""The comparisons that an agent makes by its ratings alone, so that it can be set against one that compares.

The image with the higher rating is the better one, and two ratings less than a margin apart are alike: the rule by
which `loupe data pairs` labels pairs from opinions, applied to the agent. Such an agent cannot prefer a place, and
where it rates each image once it always stands by its answer. The rule is ours.
"""

from collections.abc import Sequence

from loupe.bench.choices import ALIKE, BETTER_A, BETTER_B
from loupe.bench.comparison.answers import Answered
from loupe.bench.comparison.figures import ComparisonFigures, comparison_figures
from loupe.bench.predictions import Prediction
from loupe.bench.verdicts import expected_rating, verdict_of
from loupe.core.errors import DataError
from loupe.data.pairs import Pair, PairsConfig

MARGIN = PairsConfig.margin
"""What two ratings are apart at least, on 1..5, where one image is better: as in the pairs of `loupe data pairs`."""


def comparison_from_ratings(
    predictions: Sequence[Prediction],
    pairs: Sequence[Pair],
    *,
    margin: float = MARGIN,
    n_boot: int = 1000,
    seed: int = 0,
) -> ComparisonFigures:
    """Figures of the choices that the expected ratings of `predictions`, one an image, make between the images of
    `pairs`. A pair with an image without a usable rating has no usable answer. With `margin` 0 only equal ratings are
    alike.

    Raises DataError for two predictions of one image, and for a pair of an image that nobody judged.
    """
    by_id = {item.sample.id: item for item in predictions}
    if len(by_id) < len(predictions):
        raise DataError(f"got {len(predictions)} predictions of {len(by_id)} images; wanted those of one look alone")
    return comparison_figures([_answered(pair, by_id, margin=margin) for pair in pairs], n_boot=n_boot, seed=seed)


def _answered(pair: Pair, by_id: dict[str, Prediction], *, margin: float) -> Answered:
    if missing := [name for name in (pair.image_a, pair.image_b) if name not in by_id]:
        raise DataError(
            f"nobody judged {missing[0]!r}, an image of a pair; judge the whole split that the pairs are of"
        )
    a, b = by_id[pair.image_a], by_id[pair.image_b]
    first, second = verdict_of(a.episode), verdict_of(b.episode)
    if first is None or second is None:
        return Answered(a.sample, b.sample, pair.choice, None)
    gap = expected_rating(first) - expected_rating(second)
    said = ALIKE if abs(gap) < margin or gap == 0.0 else BETTER_A if gap > 0.0 else BETTER_B
    return Answered(a.sample, b.sample, pair.choice, said)
