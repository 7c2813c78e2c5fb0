"""How well the damage of images is recognised, in the layout of Q-Insight (arXiv 2503.22679, tables 2 and 4).

Deg. is the share of images whose class was named, Lev. the share whose class and level were both named, over all
images of the class and not only those whose class was right. Q-Insight averages over classes without weights (macro);
the mean over all images (micro) stands beside it, for classes are seldom of one size. Clean images are a class of Deg.;
the paper leaves them out of Lev., and so does `severity_accuracy`, with the same figure with them beside it. Intervals
are bootstrap over pristine images. An answer that nobody can use is wrong.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from loupe.bench.intervals import Interval, Weighted
from loupe.bench.predictions import Prediction
from loupe.bench.recognition import Confusion, Named, class_confusion, named, severity_confusion
from loupe.bench.shares import mean_of, share, with_intervals
from loupe.bench.verdicts import CLEAN, EVERYTHING, UNUSABLE
from loupe.core.records import DISTORTION_CLASSES


@dataclass(frozen=True, slots=True)
class ClassFigures:
    """The `n` images of one true class: share whose class was named, and whose class and level were."""

    n: int
    class_accuracy: Interval
    severity_accuracy: Interval


@dataclass(frozen=True, slots=True)
class Averages:
    """Plain mean over the true classes (macro), and over all their images (micro)."""

    macro: Interval
    micro: Interval


@dataclass(frozen=True, slots=True)
class DegradationTable:
    """All figures over `n` labelled images; shares in 0..1, higher is better, NaN for what was not asked.

    `classes` holds the true classes that there are, clean images last. `class_accuracy` is over all of them;
    `severity_accuracy` leaves clean images out, as the paper does. `class_confusion[true][said]` and
    `severity_confusion[true][said]` count images, the latter whatever class was named.
    """

    n: int
    unusable: int
    classes: dict[str, ClassFigures]
    class_accuracy: Averages
    severity_accuracy: Averages
    severity_accuracy_with_clean: Averages
    class_confusion: Confusion
    severity_confusion: Confusion


def degradation_table(
    predictions: Sequence[Prediction], *, asks: Sequence[str] = EVERYTHING, n_boot: int = 1000, seed: int = 0
) -> DegradationTable | None:
    """Table of `predictions` of one look; None where no class was asked for or no sample has one.

    `asks` are the keys that the protocol asked for. Raises DataError for a severity that is none of 0..5.
    """
    rows = named(predictions, asks=asks)
    if not rows:
        return None
    there = {row.true for row in rows}
    damaged = [*DISTORTION_CLASSES, *sorted(there - {*DISTORTION_CLASSES, CLEAN})]
    classes = [name for name in (*damaged, CLEAN) if name in there]
    found = with_intervals(
        _statistics(rows, classes, graded="severity" in asks),
        groups=[row.group for row in rows],
        n_boot=n_boot,
        seed=seed,
    )
    return DegradationTable(
        n=len(rows),
        unusable=sum(row.said == UNUSABLE for row in rows),
        classes={
            name: ClassFigures(sum(row.true == name for row in rows), found[f"deg {name}"], found[f"lev {name}"])
            for name in classes
        },
        class_accuracy=Averages(found["deg macro"], found["deg micro"]),
        severity_accuracy=Averages(found["lev macro"], found["lev micro"]),
        severity_accuracy_with_clean=Averages(found["lev+ macro"], found["lev+ micro"]),
        class_confusion=class_confusion(rows),
        severity_confusion=severity_confusion(rows),
    )


def _statistics(rows: Sequence[Named], classes: Sequence[str], *, graded: bool) -> dict[str, Weighted]:
    """Every share of the table by a short name; `graded` says whether a severity was asked for."""
    is_class = {name: np.array([row.true == name for row in rows]) for name in classes}
    is_damaged = np.array([row.true != CLEAN for row in rows])
    class_right = np.array([row.class_right for row in rows])
    both_right = np.array([row.severity_right for row in rows])
    nothing = np.zeros(len(rows))
    deg = {name: share(class_right, among) for name, among in is_class.items()}
    lev = {name: share(both_right, among if graded else nothing) for name, among in is_class.items()}
    return {
        **{f"deg {name}": one for name, one in deg.items()},
        **{f"lev {name}": one for name, one in lev.items()},
        "deg macro": mean_of(list(deg.values())),
        "deg micro": share(class_right),
        "lev macro": mean_of([one for name, one in lev.items() if name != CLEAN]),
        "lev micro": share(both_right, is_damaged if graded else nothing),
        "lev+ macro": mean_of(list(lev.values())),
        "lev+ micro": share(both_right, None if graded else nothing),
    }
