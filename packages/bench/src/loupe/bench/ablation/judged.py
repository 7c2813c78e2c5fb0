"""A cell's run folders as numbers: what the agent made of each image, and what the training logged.

Ratings are the expected ones, unusable episodes count at mid-scale and as wrong, as in every table of this package.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from loupe.bench.correlate import Floats
from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.predictions import Prediction, read_predictions
from loupe.bench.recognition import class_hits, severity_hits
from loupe.bench.summary import BASELINE
from loupe.bench.verdicts import expected_rating, verdict_of
from loupe.core.errors import DataError
from loupe.core.files import read_jsonl
from loupe.core.runs import METRICS

END_SHARE = 0.1
"""Part of the logged entropies, at the end, that the entropy at the end is the mean of."""


@dataclass(frozen=True, slots=True)
class Judged:
    """One judging over n images sorted by id: all arrays (n,), ratings and mos on 1..5, the others 0 or 1.

    `class_right` and `severity_right` (class and level) are NaN for an image without such a label.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...]
    mos: Floats
    rating: Floats
    class_right: Floats
    severity_right: Floats
    zoomed: Floats
    unusable: Floats


def read_judged(run: Path) -> Judged:
    """The decided look of an evaluation's run folder. Raises MissingFileError, DataError."""
    return judged([item for item in read_predictions(run / PREDICTIONS) if item.look == BASELINE])


def judged(predictions: Sequence[Prediction]) -> Judged:
    """Predictions of one look as arrays; of two for one sample, which a cut and resumed run leaves, the last counts."""
    items = [item for _, item in sorted({item.sample.id: item for item in predictions}.items())]
    turns = [verdict_of(item.episode) for item in items]
    return Judged(
        ids=tuple(item.sample.id for item in items),
        groups=tuple(item.group for item in items),
        mos=np.array([item.sample.rating for item in items]),
        rating=np.array([expected_rating(turn) for turn in turns]),
        class_right=np.array([_one(class_hits([item])) for item in items]),
        severity_right=np.array([_one(severity_hits([item])) for item in items]),
        zoomed=np.array([float(item.episode.zoomed) for item in items]),
        unusable=np.array([float(turn is None) for turn in turns]),
    )


def check_same_images(runs: Mapping[str, Judged]) -> None:
    """Raises DataError where two runs, by name, judged other images or images with other labels."""
    names = list(runs)
    for name in names[1:]:
        first, other = runs[names[0]], runs[name]
        if (first.ids, first.groups) != (other.ids, other.groups) or not np.array_equal(first.mos, other.mos):
            raise DataError(
                f"{names[0]} and {name} judged {len(first.ids)} and {len(other.ids)} images that are not the same; "
                "remove one of their folders and run the ablation again"
            )


def entropy_at_the_end(rows: Sequence[Mapping[str, Any]]) -> float:
    """Mean of the last tenth of the entropies (nats per token) in a metrics.jsonl, one at least; NaN without any."""
    values = [float(row["entropy"]) for row in rows if row.get("entropy") is not None]
    count = max(1, round(END_SHARE * len(values)))
    return float(np.mean(values[-count:])) if values else float("nan")


def seconds_of_training(rows: Sequence[Mapping[str, Any]]) -> float:
    """Sum of the logged times of steps, which outlasts a kill and a resumption; NaN where none was logged."""
    values = [float(row["step_time"]) for row in rows if row.get("step_time") is not None]
    return sum(values) if values else float("nan")


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Rows of a training's metrics.jsonl. Raises MissingFileError, DataError."""
    return read_jsonl(run / METRICS)


def _one(hits: Sequence[float]) -> float:
    return hits[0] if hits else float("nan")
