"""How opinions spread over the five levels, from their mean and deviation alone: the soft label of DeQA-Score.

You et al., "Teaching Large Language Models to Regress Accurate Image Quality Scores using Score Distribution" (CVPR
2025): the mass of a Gaussian in the unit bins around 5, 4, 3, 2, 1 lacks what lies outside of the scale, so it is
corrected linearly, p' = a p + b, to sum to 1 and to have the mean of the opinions; where the deviation is below 0.2 on
1..5 the mass is parted between the two neighbouring levels instead. There a share that the correction makes negative is
cut to 0 and the mean is a little off; here (ours) the level is left empty and the others are corrected again, so that
sum and mean always hold. Only for opinions that are near a Gaussian: not for TID2013's.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from operator import mul

LEVELS = (5.0, 4.0, 3.0, 2.0, 1.0)
"""Rating in the middle of each level, the best first, as in `Sample.level_probs`."""
EDGES = (5.5, 4.5, 3.5, 2.5, 1.5, 0.5)
"""Ends of the bins of the levels."""
SMALLEST_STD = 0.2
"""Deviation on 1..5 below which the bins say less than the two neighbours."""
_TINY = 1e-12


def soft_levels(rating: float, std: float) -> tuple[float, ...]:
    """Shares (5,) of opinions on excellent, good, fair, poor and bad, for a mean and a deviation on 1..5.

    They are 0 or more, sum to 1 and have the mean `rating`.
    """
    if std >= SMALLEST_STD:
        width = std * math.sqrt(2.0)
        below = [0.5 * math.erfc((rating - edge) / width) for edge in EDGES]
        masses = [high - low for high, low in pairwise(below)]
        used = list(range(len(LEVELS)))
        while len(used) >= 2:
            shares = _corrected([masses[place] for place in used], [LEVELS[place] for place in used], rating)
            if shares is None:
                break
            if min(shares) >= -_TINY:
                full = dict(zip(used, shares, strict=True))
                return tuple(max(0.0, full.get(place, 0.0)) for place in range(len(LEVELS)))
            used = [place for place, share in zip(used, shares, strict=True) if share >= -_TINY]
    return _two_levels(rating)


def _corrected(masses: Sequence[float], levels: Sequence[float], rating: float) -> list[float] | None:
    """a p + b with the sum 1 and the mean `rating`; None where that has no single solution, or turns p around."""
    count, total, sum_of_levels = len(levels), sum(masses), sum(levels)
    lean = sum(map(mul, masses, levels))
    determinant = total * sum_of_levels - count * lean
    if abs(determinant) < 1e-9:
        # Masses and levels are both symmetric around the same middle: scaling alone keeps sum and mean.
        scaled = [mass / total for mass in masses]
        mean = sum(map(mul, scaled, levels))
        return scaled if abs(mean - rating) < 1e-9 else None
    slope = (sum_of_levels - count * rating) / determinant
    lift = (total * rating - lean) / determinant
    return [slope * mass + lift for mass in masses] if slope > 0.0 else None


def _two_levels(rating: float) -> tuple[float, ...]:
    """All mass on the two levels around `rating`, so that their mean is it."""
    return tuple(max(0.0, 1.0 - abs(level - rating)) for level in LEVELS)
