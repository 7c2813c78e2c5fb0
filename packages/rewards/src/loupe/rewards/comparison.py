"""Comparison reward: is the better one of two images named?

Q-Insight (arXiv 2503.22679), appendix B.2: 1 where the answer is the label, one of "Image A", "Image B" and "Similar",
letter for letter, else 0. An agent that always says "Image A" earns as much as the share of such labels, so pairs are
best seen in both orders (`loupe.data.pairs` makes them so).
"""

from loupe.core.errors import DataError
from loupe.core.records import CHOICES


def comparison_reward(choice: str | None, truth: str) -> float:
    """1.0 where the choice is the truth, else 0.0; no choice earns 0. Raises DataError for a truth that is no label."""
    if truth not in CHOICES:
        raise DataError(f"got the true choice {truth!r}; wanted one of {', '.join(CHOICES)}")
    return float(choice == truth)
