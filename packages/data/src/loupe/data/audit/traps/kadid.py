"""Traps of KADID-10k: a column `var` that some lists have under the name `std`, and a dmos of which more is better.

The column `var` of dmos.csv reaches from .177 to 1.593 (and is 0 in a few rows). Its name says variance; recipes and
published lists take its root, which reaches from .42 to 1.262. Lists that have copied the column itself into `std` hold
other numbers under the same name. The votes tell which: of 30 whole opinions k in sum with the population deviation v,
30 v^2 + k^2 / 30 is the sum of squares, a whole number with the parity of k. That holds in 95 of 100 rows for `var` as
it stands, and in 6 of 100 by chance: by the votes it is a deviation already, whatever it is called. Ours.
"""

import numpy as np

from loupe.core import numbers
from loupe.data.audit.by_dataset import Numbers, Rated
from loupe.data.audit.finding import Status
from loupe.data.audit.spread import ENOUGH
from loupe.data.audit.traps.trap import Met

VOTES = 30
"""Opinions of an image."""
ROOT_RANGE = (0.42, 1.263)
"""Least (above 0) and greatest root of `var`."""
_FEW = 0.005
"""Share of rows outside a known range that is put down to rows from elsewhere."""
_MOST = 0.8
"""Share of rows that the arithmetic of votes must hold for; by chance it is a twentieth."""
_ROUNDING = 0.06
"""What three decimals of a deviation up to 1.6 leave of a sum of squares."""


def kadid_variance(rated: Rated) -> Met | None:
    """The release's `var` stands under the name of a deviation."""
    known = np.isfinite(rated.stds)
    if known.sum() < ENOUGH or (rated.low, rated.high) != (1.0, 5.0):
        return None
    mos, stds = rated.mos[known], rated.stds[known]
    outside = float(np.mean((stds > ROOT_RANGE[1]) | ((stds > 0) & (stds < ROOT_RANGE[0]))))
    votes = share_of_whole_votes(mos, stds)
    if votes < _MOST and outside <= _FEW:
        return None
    return Met(
        Status.WARN,
        f"these are the values of the column `var` as they stand ({numbers.percent(votes)} are deviations of "
        f"{VOTES} whole votes, {numbers.percent(outside)} are outside the range of its roots)",
        "published lists have the root of `var` as std, and the two are not comparable: use one of them everywhere, "
        "and say which",
    )


def kadid_direction(rated: Rated) -> Met | None:
    """The column is named dmos, and higher is better all the same."""
    if rated.higher_is_better:
        return None
    found = "declared as lower is better; KADID-10k's `dmos` is higher for better images in spite of its name"
    return Met(Status.FAIL, found, "declare higher_is_better: true")


def share_of_whole_votes(mos: Numbers, stds: Numbers) -> float:
    """Share of rows (N,) whose mean and deviation are those of VOTES whole opinions; means may be of two decimals."""
    total = np.round(VOTES * mos)
    squares = VOTES * stds**2 + total**2 / VOTES
    whole = np.abs(squares - np.round(squares)) < _ROUNDING
    even = (np.round(squares) - total) % 2 == 0
    near = np.abs(total / VOTES - mos) < 0.006
    return float(np.mean(np.asarray(whole & even & near, np.float64)))
