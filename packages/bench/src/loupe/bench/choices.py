"""What an agent chose between two images, in one place, as `loupe.bench.verdicts` says it of ratings.

A choice counts letter for letter, as the comparison reward reads it; any other answer is unusable.
"""

from loupe.bench.verdicts import last_word
from loupe.core.records import CHOICES, Episode

BETTER_A, BETTER_B, ALIKE = CHOICES
TURNED = {BETTER_A: BETTER_B, BETTER_B: BETTER_A, ALIKE: ALIKE}
"""The same verdict once the images have changed places."""


def usable_choice(word: str | None) -> str | None:
    """`word` where it is one of the three choices; None for anything else."""
    return word if word in CHOICES else None


def choice_of(episode: Episode) -> str | None:
    """The choice that an episode came to, one of `CHOICES`; None for one that nobody can use."""
    turn = last_word(episode, asks=("choice",))
    return None if turn is None else usable_choice(turn.answer.choice)


def same_verdict(said: str | None, swapped: str | None) -> bool:
    """Whether two answers, the second with the images in each other's place, can be used and say the same."""
    return said is not None and swapped is not None and TURNED[said] == swapped
