"""What the agent called the damage of each labelled image, and how much of that was right.

A class counts as named where the word is that of the label, letter for letter, also where the label is a word beyond
Loupe's six classes: such a class has a row of its own. A severity is right only together with its class, as in
Q-Insight (arXiv 2503.22679, section 3.3). An unusable episode is wrong in both. Which turn of an episode counts is
decided in `loupe.bench.verdicts`.
"""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from loupe.bench.intervals import Interval, mean_interval
from loupe.bench.predictions import Prediction
from loupe.bench.verdicts import CLEAN, EVERYTHING, OTHER, UNUSABLE, last_word, said_class, said_severity, true_class
from loupe.core.errors import DataError
from loupe.core.records import DISTORTION_CLASSES, SEVERITIES, severity_word

TRUE_LABELS = (CLEAN, *DISTORTION_CLASSES)
SAID_LABELS = (*TRUE_LABELS, OTHER, UNUSABLE)
Confusion = dict[str, dict[str, int]]
"""How many images of a true label (outer key) got which label (inner key)."""


@dataclass(frozen=True, slots=True)
class Named:
    """What is true of one labelled image and what was said: classes and severities as words, clean for neither, other
    for a word that is none, unusable where nothing was said. `group` is what is resampled together."""

    true: str
    said: str
    true_severity: str
    said_severity: str
    group: str

    @property
    def class_right(self) -> bool:
        """The class was named. A class that is itself called other cannot be told from words that are none."""
        return self.said == self.true and self.said not in (OTHER, UNUSABLE)

    @property
    def severity_right(self) -> bool:
        """Class and severity were both named."""
        return self.class_right and self.said_severity == self.true_severity


@dataclass(frozen=True, slots=True)
class Recognition:
    """What the agent called the damage, over the `n` samples with such a label; shares in 0..1, higher is better.

    `class_accuracy` is over samples (micro), `class_accuracy_macro` the plain mean over true classes.
    `severity_accuracy` wants class and level. `confusion[true][said]` counts. All is empty, n 0 and the figures NaN,
    where nobody was asked for a class.
    """

    n: int
    class_accuracy: Interval
    class_accuracy_macro: float
    severity_accuracy: Interval
    confusion: Confusion


def recognition(
    predictions: Sequence[Prediction], *, asks: Sequence[str] = EVERYTHING, n_boot: int = 1000, seed: int = 0
) -> Recognition:
    """Recognition over those of `predictions` whose sample has a label of its damage; `asks` is what was asked."""
    rows = named(predictions, asks=asks)
    groups, graded = [row.group for row in rows], rows if "severity" in asks else []
    hits = {true: [row.class_right for row in rows if row.true == true] for true in sorted({row.true for row in rows})}
    return Recognition(
        n=len(rows),
        class_accuracy=mean_interval([row.class_right for row in rows], groups=groups, n_boot=n_boot, seed=seed),
        class_accuracy_macro=float(np.mean([np.mean(found) for found in hits.values()])) if hits else math.nan,
        severity_accuracy=mean_interval(
            [row.severity_right for row in graded], groups=[row.group for row in graded], n_boot=n_boot, seed=seed
        ),
        confusion=class_confusion(rows),
    )


def named(predictions: Iterable[Prediction], *, asks: Sequence[str] = EVERYTHING) -> list[Named]:
    """One row for each sample with a label of its damage, in order; none where `asks` holds no distortion_class.

    Raises DataError for a severity that is none of 0..5.
    """
    if "distortion_class" not in asks:
        return []
    labelled = [item for item in predictions if item.sample.degradation is not None]
    extra = {item.sample.degradation.distortion_class for item in labelled if item.sample.degradation is not None}
    words = (*DISTORTION_CLASSES, *sorted(word for word in extra if word and word not in DISTORTION_CLASSES))
    return [_named(item, asks=asks, classes=words) for item in labelled]


def class_hits(predictions: Sequence[Prediction], *, asks: Sequence[str] = EVERYTHING) -> list[float]:
    """1.0 where the class of a labelled sample was named rightly, else 0.0; samples without a label are left out."""
    return [float(row.class_right) for row in named(predictions, asks=asks)]


def severity_hits(predictions: Sequence[Prediction], *, asks: Sequence[str] = EVERYTHING) -> list[float]:
    """1.0 where class and level of a labelled sample were both named rightly, else 0.0; the same samples."""
    return [float(row.severity_right) for row in named(predictions, asks=asks)]


def class_confusion(rows: Sequence[Named]) -> Confusion:
    """Counts by true class and class that was named: TRUE_LABELS by SAID_LABELS, and what other classes there are."""
    extra = sorted({row.true for row in rows} - set(TRUE_LABELS))
    counts = Counter((row.true, row.said) for row in rows)
    said = (*TRUE_LABELS, *extra, OTHER, UNUSABLE)
    return {true: {word: counts[true, word] for word in said} for true in (*TRUE_LABELS, *extra)}


def severity_confusion(rows: Sequence[Named]) -> Confusion:
    """Counts by true severity and severity that was named, whatever the class."""
    counts = Counter((row.true_severity, row.said_severity) for row in rows)
    labels = (CLEAN, *SEVERITIES)
    return {true: {word: counts[true, word] for word in (*labels, OTHER, UNUSABLE)} for true in labels}


def _named(item: Prediction, *, asks: Sequence[str], classes: tuple[str, ...]) -> Named:
    turn, damage, true = last_word(item.episode, asks=asks), item.sample.degradation, true_class(item.sample)
    assert damage is not None and true is not None  # `named` takes labelled samples alone
    if not 0 <= damage.severity <= len(SEVERITIES):
        raise DataError(
            f"sample {item.sample.id!r}: got severity {damage.severity}; wanted 0 (clean) to {len(SEVERITIES)}"
        )
    severity = severity_word(damage.severity) or CLEAN
    return Named(true, said_class(turn, classes=classes), severity, said_severity(turn), item.group)
