"""From the raw scale of a data set to the rating 1..5, higher is better.

The nominal range of the scale is used, so that the rating of an image does not hang on which other images are in the
list. DeQA-Score, Q-Insight and VisualQuality-R1 use the observed minimum and maximum instead; that is an option for
parity, and all there is where a scale has no ends (an Elo rating).
"""

import math
from dataclasses import dataclass

from loupe.core.errors import DataError


@dataclass(frozen=True, slots=True)
class Scale:
    """The range that becomes 1..5, in units of mos, and which end of it is the good one."""

    low: float
    high: float
    higher_is_better: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.high - self.low < math.inf:
            raise DataError(
                f"opinions run from {self.low:g} to {self.high:g}; wanted a range to map to 1..5, so set scale_min and "
                "scale_max"
            )

    def rating(self, mos: float) -> float:
        """Rating 1..5 of a raw opinion; the better end of the scale is 5."""
        share = min(1.0, max(0.0, (mos - self.low) / (self.high - self.low)))
        return 1.0 + 4.0 * (share if self.higher_is_better else 1.0 - share)

    def std(self, mos_std: float) -> float:
        """A deviation in units of mos as one in ratings; it has no direction."""
        return 4.0 * mos_std / (self.high - self.low)
