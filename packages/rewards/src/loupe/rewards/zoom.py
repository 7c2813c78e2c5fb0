"""Terms about zooming that a user may add. All of them are ours, and weigh 0 unless a config says otherwise.

None of the three papers is known to pay for crops, and there is a reason: a reward for any crop teaches empty zooming.
The released code of other zoom agents shows it. So nothing here pays for a crop as such. What each term can still be
fooled by is said with it; none should weigh as much as the score.
"""

from collections.abc import Sequence

from loupe.core.box import iou
from loupe.core.records import Box
from loupe.rewards.score import FIRST, LAST, RANGE


def region_reward(box: Box | None, region: Box) -> float:
    """Overlap 0..1, higher is better, of the box in the verdict with the region that is known to be damaged.

    Intersection over union; no box earns 0. It pays the finding and not the crop. Fooled by: a box of typical place and
    size, where the damage always lies there.
    """
    return 0.0 if box is None else iou(box, region)


def gain_reward(ratings: Sequence[float | None], target: float) -> float:
    """How much nearer to the opinion the last rating is than the first one, as a share 0..1 of the scale.

    `ratings` are those of the turns in order, cut to 1..5, None where a turn gave none. 0 where fewer than two turns
    gave one, and where the look made it worse. Fooled by: a first rating that is wrong on purpose.
    """
    given = [abs(min(LAST, max(FIRST, rating)) - target) for rating in ratings if rating is not None]
    return max(0.0, given[0] - given[-1]) / RANGE if len(given) > 1 else 0.0


def crop_cost(crops: int) -> float:
    """Minus the number of crops that were shown: what looking costs. Fooled by: never looking."""
    return 0.0 - crops
