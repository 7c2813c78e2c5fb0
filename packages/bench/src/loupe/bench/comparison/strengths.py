"""From answers to comparisons to one strength an image, and how the strengths agree with opinion.

Q-Insight (arXiv 2503.22679, table 6) gives PLCC and SRCC of a comparing agent and does not say how they come out of
pairwise answers. Ours: strengths of Bradley and Terry, "Similar" half a win each way, unusable answers left out, as
`loupe.bench.ranking` fits them. Images that no comparisons link have no common scale, so the figures are over the
largest group that hangs together; a few comparisons an image give coarse strengths and figures below what the agent
could reach with more.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from loupe.bench.comparison.answers import Answered
from loupe.bench.correlate import MIN_ITEMS, Interval, correlations
from loupe.bench.ranking.outcomes import Compared, count_outcomes
from loupe.bench.ranking.pairs import groups_of
from loupe.bench.ranking.strength import bradley_terry
from loupe.core.records import Sample

MOST_IMAGES = 1500
"""Images that are ranked at most: the fit takes the cube of their number."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Agreement of strengths with ratings over `n` linked and rated images of `n_images` in all; -1..1, higher is
    better. `comparisons` is the mean number of usable answers an image took part in."""

    n: int
    n_images: int
    comparisons: float
    plcc: Interval
    srcc: Interval


def ranked(answers: Sequence[Answered], *, n_boot: int = 1000, seed: int = 0) -> Ranked | None:
    """The ranking by `answers` against the ratings of the images; None where fewer than three rated images of one data
    set are linked, or where there are more than MOST_IMAGES."""
    images = {sample.id: sample for item in answers for sample in (item.a, item.b)}
    linked = [item for item in _largest_group(answers, images) if item.said is not None]
    there = list(dict.fromkeys(sample.id for item in linked for sample in (item.a, item.b)))
    rated = [place for place, name in enumerate(there) if math.isfinite(images[name].rating)]
    datasets = {images[name].dataset for name in there}
    if len(rated) < MIN_ITEMS or len(there) > MOST_IMAGES or len(datasets) > 1:
        return None
    place = {name: number for number, name in enumerate(there)}
    compared = [Compared(place[item.a.id], place[item.b.id], item.said) for item in linked]
    strengths = bradley_terry(count_outcomes(compared, pictures=len(there)).matrix())
    samples = [images[there[number]] for number in rated]
    found = correlations(
        strengths[rated],
        [sample.rating for sample in samples],
        groups=[sample.group for sample in samples],
        n_boot=n_boot,
        seed=seed,
        fits=False,
    )
    return Ranked(len(rated), len(images), 2 * len(linked) / len(there), found.plcc, found.srcc)


def _largest_group(answers: Sequence[Answered], images: dict[str, Sample]) -> list[Answered]:
    """The answers over the largest group of images that usable answers link; the first of several as large."""
    place = {name: number for number, name in enumerate(images)}
    used = [item for item in answers if item.said is not None]
    groups = groups_of(len(images), [(place[item.a.id], place[item.b.id]) for item in used])
    largest = Counter(groups).most_common(1)
    return [item for item in used if groups[place[item.a.id]] == largest[0][0]]
