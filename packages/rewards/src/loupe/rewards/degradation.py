"""Degradation reward: is the distortion named, and is its level right?

Q-Insight (arXiv 2503.22679), section 3.3: 0.25 for the class, and 0.75 more where class and level are both right; a
right level of a wrong class earns nothing. A clean image has the class null and the level null, which are answers like
any other. Part of the credit for a neighbouring level is ours, and off by default.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from loupe.core.records import SEVERITIES
from loupe.rewards.arrays import FloatArray


class Finding(NamedTuple):
    """What is wrong with an image: class and severity as words, both None for "nothing"."""

    distortion_class: str | None
    severity: str | None


def degradation_reward(
    findings: Sequence[Finding | None],
    truths: Sequence[Finding | None],
    *,
    class_weight: float = 0.25,
    severity_weight: float = 0.75,
    neighbour_credit: float = 0.0,
) -> FloatArray:
    """Reward (N,) between 0 and class_weight + severity_weight, higher is better.

    A finding of None is an agent that said nothing usable, which is not the same as the finding "clean", and earns 0;
    so does a truth of None, an image that nobody labelled. `neighbour_credit`, 0 to 1, is the share of the severity
    weight that a level one off earns. Raises ValueError for unequal lengths.
    """
    share = [
        (0.0, 0.0) if said is None or truth is None else _shares(said, truth, neighbour_credit)
        for said, truth in zip(findings, truths, strict=True)
    ]
    weights = np.array([class_weight, severity_weight])
    return np.array(share, dtype=np.float64).reshape(-1, 2) @ weights


def _shares(said: Finding, truth: Finding, neighbour_credit: float) -> tuple[float, float]:
    """Shares of the class weight and of the severity weight."""
    if said.distortion_class != truth.distortion_class:
        return 0.0, 0.0
    if said.severity == truth.severity:
        return 1.0, 1.0
    return 1.0, neighbour_credit if _are_neighbours(said.severity, truth.severity) else 0.0


def _are_neighbours(a: str | None, b: str | None) -> bool:
    if a not in SEVERITIES or b not in SEVERITIES:
        return False
    return abs(SEVERITIES.index(a) - SEVERITIES.index(b)) == 1
