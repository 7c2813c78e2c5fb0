"""Degradation reward: is the distortion named, and is its level right?

Q-Insight (arXiv 2503.22679), section 3.3: 0.25 for the class, and 0.75 more where class and level are both right; a
right level of a wrong class earns nothing. Words are compared as they stand: "Noise" is not "noise". A clean image has
the class None and the level None, which are answers like any other. Credit for a level that is near is ours, and off by
default.
"""

from loupe.core.records import SEVERITIES


def degradation_reward(
    distortion_class: str | None,
    severity: str | None,
    true_class: str | None,
    true_severity: str | None,
    *,
    class_weight: float = 0.25,
    level_weight: float = 0.75,
    partial_level: bool = False,
) -> float:
    """Reward between 0 and class_weight + level_weight, higher is better.

    With `partial_level` a level of the right class earns 1 - d / 4 of the level weight, d the distance between the two
    severities, 0 to 4; between a level and "none" there is no distance, and no credit. Whoever said nothing usable must
    not be asked about here: None is the answer "clean", not silence.
    """
    if distortion_class != true_class:
        return 0.0
    return class_weight + level_weight * _level(severity, true_severity, partial=partial_level)


def _level(severity: str | None, truth: str | None, *, partial: bool) -> float:
    """Share of the level weight, 0 to 1."""
    if severity == truth:
        return 1.0
    if not partial or severity not in SEVERITIES or truth not in SEVERITIES:
        return 0.0
    return 1.0 - abs(SEVERITIES.index(severity) - SEVERITIES.index(truth)) / (len(SEVERITIES) - 1)
