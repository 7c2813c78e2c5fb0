"""What a comparing agent is worth: how often it is right, and whether it looks at the images or at their places.

Accuracy counts every pair as it was shown. An agent that prefers a place is found out by pairs that are shown in both
orders: it is right in both less often than in one, it does not stand by its answer, and it says one place more often
than the other. Accuracy is what Q-Insight reports (arXiv 2503.22679, table 6); the figures over both orders are ours.
Unusable answers are wrong, inconsistent, and for neither place. Intervals are bootstrap over groups of pairs, in which
both orders stay together.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loupe.bench.choices import BETTER_A, BETTER_B, same_verdict
from loupe.bench.comparison.answers import Answered
from loupe.bench.comparison.strengths import Ranked, ranked
from loupe.bench.intervals import Interval, mean_interval
from loupe.bench.recognition import Confusion
from loupe.bench.verdicts import UNUSABLE
from loupe.core.records import CHOICES

_PLACE = {BETTER_A: 1.0, BETTER_B: -1.0}


@dataclass(frozen=True, slots=True)
class ComparisonFigures:
    """Figures over `n` answers; shares in 0..1, higher is better, NaN where there are no such pairs.

    `accuracy_better` is over the `n_better` questions whose truth is a better image, `accuracy_alike` over the
    `n_alike` with images that are alike. The next three are over the `n_both` pairs that were shown in both orders:
    `right_in_both`; `consistency`, the share whose answers say the same of the images in both orders; and
    `first_place_bias`, the share of answers "Image A" less that of "Image B", -1..1, where 0 is best.
    `confusion[true][said]` counts. `ranked` says how a ranking by these answers agrees with opinion.
    """

    n: int
    unusable: int
    unusable_share: float
    accuracy: Interval
    n_better: int
    accuracy_better: Interval
    n_alike: int
    accuracy_alike: Interval
    n_both: int
    right_in_both: Interval
    consistency: Interval
    first_place_bias: Interval
    confusion: Confusion
    ranked: Ranked | None

    def to_json(self) -> dict[str, Any]:
        """Plain dict for `loupe.core.files.write_json`, which writes NaN as null."""
        return asdict(self)


def comparison_figures(answers: Sequence[Answered], *, n_boot: int = 1000, seed: int = 0) -> ComparisonFigures:
    """All figures of `answers`, of which no two have the same order of the same pair."""

    def mean(values: Sequence[float], of: Sequence[Answered]) -> Interval:
        return mean_interval(values, groups=[item.group for item in of], n_boot=n_boot, seed=seed)

    def accuracy(of: Sequence[Answered]) -> Interval:
        return mean([float(item.right) for item in of], of)

    unusable = sum(item.said is None for item in answers)
    better = [item for item in answers if item.truth in _PLACE]
    alike = [item for item in answers if item.truth not in _PLACE]
    both = in_both_orders(answers)
    firsts, shown = [first for first, _ in both], [item for pair in both for item in pair]
    return ComparisonFigures(
        n=len(answers),
        unusable=unusable,
        unusable_share=unusable / len(answers) if answers else math.nan,
        accuracy=accuracy(answers),
        n_better=len(better),
        accuracy_better=accuracy(better),
        n_alike=len(alike),
        accuracy_alike=accuracy(alike),
        n_both=len(both),
        right_in_both=mean([float(first.right and second.right) for first, second in both], firsts),
        consistency=mean([float(same_verdict(first.said, second.said)) for first, second in both], firsts),
        first_place_bias=mean([_PLACE.get(item.said or "", 0.0) for item in shown], shown),
        confusion=_confusion(answers),
        ranked=ranked(answers, n_boot=n_boot, seed=seed),
    )


def in_both_orders(answers: Sequence[Answered]) -> list[tuple[Answered, Answered]]:
    """The pairs that were shown in both orders, each once, in the order in which they come."""
    by_order = {item.order: item for item in answers}
    found: dict[frozenset[tuple[str, str, str]], tuple[Answered, Answered]] = {}
    for item in answers:
        other = by_order.get(item.swapped)
        if other is not None and other is not item:
            found.setdefault(frozenset((item.order, item.swapped)), (item, other))
    return list(found.values())


def _confusion(answers: Sequence[Answered]) -> Confusion:
    counts = Counter((item.truth, item.said or UNUSABLE) for item in answers)
    return {truth: {said: counts[truth, said] for said in (*CHOICES, UNUSABLE)} for truth in CHOICES}
