"""Learning curves by row: the metrics that can be laid over each other, as means over the seeds of each row, with the
lowest and the highest seed. Three seeds make no interval, so what lies around a mean is named for what it is."""

from collections.abc import Mapping, Sequence
from typing import Any

CURVES = {
    "reward": "reward (each row's own sum)",
    "rewards/score/mean": "score reward",
    "rewards/degradation/mean": "degradation reward",
    "rewards/rank/mean": "rank reward",
    "completions/mean_length": "tokens of an episode",
    "zoom_rate": "zooms",
    "unusable": "unusable",
    "entropy": "entropy, nats a token",
    "rating_spread": "spread of an image's ratings",
    "probe/srcc": "SRCC, validation images",
}
"""Metric to its words. A term is logged whatever a row pays for it: terms can be compared, their sum cannot."""

Rows = Sequence[Mapping[str, Any]]
"""A metrics.jsonl."""


Point = tuple[float, float, float, float]
"""Step, mean over seeds, lowest seed, highest seed."""


def row_curves(logs: Mapping[str, Sequence[Rows]]) -> dict[str, dict[str, list[Point]]]:
    """Points by metric and row, from the logs of each row (one a seed); no empty curves."""
    found = {metric: {name: _mean_curve(rows, metric) for name, rows in logs.items()} for metric in CURVES}
    return {metric: {name: points for name, points in curves.items() if points} for metric, curves in found.items()}


def _mean_curve(logs: Sequence[Rows], metric: str) -> list[Point]:
    """Only steps that all seeds logged: a mean over fewer would jump where one ends early."""
    seeds = [{float(row["step"]): float(row[metric]) for row in rows if row.get(metric) is not None} for rows in logs]
    steps = sorted(set(seeds[0]).intersection(*seeds[1:]))
    return [_point(step, [seed[step] for seed in seeds]) for step in steps]


def _point(step: float, values: Sequence[float]) -> Point:
    return (step, sum(values) / len(values), min(values), max(values))
