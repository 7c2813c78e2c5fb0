"""What a crop shows: the agent's own choice, or one of the controls that say what that choice is worth.

Zooming is worth something only if the agent's own box beats no crop, and beats a crop of the same size somewhere else;
the true region is the ceiling. The loop differs between them in nothing but what this file decides. Ours.
"""

from enum import StrEnum
from random import Random

from loupe.core.box import centre_box, random_box
from loupe.core.records import WHOLE, Box


class Look(StrEnum):
    """What the agent sees when it asks for a crop."""

    DECIDED = "decided"
    """The region that it asked for."""
    NEVER = "never"
    """Nothing: it is told from the start to judge from the overview."""
    RANDOM = "random"
    """A region of the same size at a random place."""
    CENTRE = "centre"
    """A region of the same size in the middle."""
    TRUTH = "truth"
    """The damaged region, where it is known and local; else the region that it asked for."""
    WHOLE = "whole"
    """The whole image once more, in as many pixels as the crop would have: a second look without a crop."""
    FORCED = "forced"
    """The region that it asked for; who finishes at once is shown a crop nevertheless, of the box in the answer or,
    where that names none, of a random region of the least size."""


def box_to_show(look: Look, asked: Box, *, truth: Box | None, rng: Random) -> Box:
    """Box that answers the wish for `asked`. `truth` is the damaged region, None where it is unknown or there is none.

    `rng` is drawn from for RANDOM alone. Raises ValueError for NEVER, under which no wish is answered.
    """
    if look is Look.NEVER:
        raise ValueError("got a wish for a crop under Look.NEVER; wanted the episode to end with this answer")
    if look is Look.RANDOM:
        return random_box(asked, rng=rng)
    if look is Look.CENTRE:
        return centre_box(asked)
    if look is Look.WHOLE:
        return WHOLE
    if look is Look.TRUTH and truth is not None and truth != WHOLE:
        return truth
    return asked
