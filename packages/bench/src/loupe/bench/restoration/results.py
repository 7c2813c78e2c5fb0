"""From measured images to the figures of restoration: mean gains with intervals, and paired differences.

A gain is what an image has after a treatment less what it had before; of an arm with several draws it is their mean.
Intervals are of bootstrap draws of whole pristine images.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loupe.bench.correlate import Interval, mean_interval, paired_difference
from loupe.bench.restoration.arms import ARMS
from loupe.core.records import DISTORTION_CLASSES

METRICS = ("rating", "psnr", "ssim")
DIFFERENCES = (("agent", "fixed"), ("agent", "random"), ("agent", "dealt"), ("truth", "agent"))
CLASSES = (*DISTORTION_CLASSES, "clean")
HARM = 0.05
"""Rating points from which on an image counts as made worse."""
EXACT = 100.0
"""PSNR in dB that stands for a treated image equal to its pristine one."""

Rows = Sequence[Mapping[str, Any]]


def results(rows: Rows, *, n_boot: int, seed: int) -> dict[str, Any]:
    """Plain dict: for all images and each true class the means before, the gains of every arm and the differences.

    PSNR is over the images that differ from their pristine one: the others have none.
    """
    groups = {"all": list(rows), **{name: [row for row in rows if row["class"] == name] for name in CLASSES}}
    return {name: _figures(part, n_boot=n_boot, seed=seed) for name, part in groups.items() if part}


def by_correctness(rows: Rows, right: Mapping[str, bool], *, n_boot: int, seed: int) -> dict[str, Any]:
    """Share of images whose class the agent named, and its mean gain in rating on those and on the others."""
    made: dict[str, Any] = {"right": float(np.mean([right[row["id"]] for row in rows]))}
    for name, wanted in (("gain_right", True), ("gain_wrong", False)):
        part = [row for row in rows if right[row["id"]] is wanted]
        groups = [row["group"] for row in part]
        made[name] = mean_interval(gains(part, "agent", "rating"), groups=groups, n_boot=n_boot, seed=seed)
    return made


def gains(rows: Rows, arm: str, metric: str) -> list[float]:
    """Gain of each image in one metric; the mean over the draws of the arm."""
    return [
        float(np.mean([_value(after, metric) for after in row["after"][arm]])) - _value(row["before"], metric)
        for row in rows
    ]


def _figures(rows: Rows, *, n_boot: int, seed: int) -> dict[str, Any]:
    made: dict[str, Any] = {"n": len(rows), "pristine": len({row["group"] for row in rows}), "metrics": {}}
    for metric in METRICS:
        part = [row for row in rows if row["before"][metric] is not None]
        by_arm = {arm: gains(part, arm, metric) for arm in ARMS}
        names = [row["group"] for row in part]
        made["metrics"][metric] = {
            "n": len(part),
            "before": float(np.mean([row["before"][metric] for row in part])) if part else None,
            "gain": {
                arm: mean_interval(values, groups=names, n_boot=n_boot, seed=seed) for arm, values in by_arm.items()
            },
            "difference": {
                f"{a} - {b}": _difference(by_arm[a], by_arm[b], names, n_boot=n_boot, seed=seed) for a, b in DIFFERENCES
            },
        }
    made["made_worse"] = {arm: float(np.mean([value < -HARM for value in gains(rows, arm, "rating")])) for arm in ARMS}
    return made


def _difference(a: list[float], b: list[float], groups: list[str], *, n_boot: int, seed: int) -> Interval:
    return paired_difference(a, b, None, statistic="mean", groups=groups, n_boot=n_boot, seed=seed)


def _value(figures: Mapping[str, Any], metric: str) -> float:
    return EXACT if figures[metric] is None else float(figures[metric])
