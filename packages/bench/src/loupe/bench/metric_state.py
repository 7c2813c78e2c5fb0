"""A metric that gathers over the batches of an evaluation loop, in the manner of torchmetrics: update, compute, reset.

Two uses: the mean rating of all images, and agreement of ratings with opinions. What is gathered are plain numbers, so
the states of several processes can be merged in any order. Nothing here stands on torchmetrics: what its collections
ask for (a Module) is left out.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, Self, cast

import numpy as np

from loupe.bench.correlate import correlations
from loupe.bench.metric_images import array_of
from loupe.bench.verdicts import MID_SCALE
from loupe.core.errors import DataError

_KEYS = ("ratings", "mos")


class LoupeMetric:
    """Gathers ratings, and opinions where they are given.

    With `metric`, a callable from images to ratings such as `create_metric` makes, `update` takes images; without one,
    it takes ratings that are known already. A rating that is NaN had no usable answer.
    """

    higher_is_better: bool = True
    is_differentiable: bool = False

    def __init__(self, metric: Callable[[Any], Any] | None = None) -> None:
        self._metric = metric
        self._ratings: list[float] = []
        self._mos: list[float] = []

    @property
    def unusable(self) -> int:
        """Images that got no usable answer."""
        return sum(math.isnan(rating) for rating in self._ratings)

    def update(self, images: Any, mos: Any = None) -> None:
        """Gather a batch of images, or of ratings (N,) where there is no metric, and their opinions (N,), if any.

        Raises DataError where numbers of ratings and opinions differ, for opinions that are not finite, and where some
        batches come with opinions and some without.
        """
        ratings = _numbers(images if self._metric is None else self._metric(images), "ratings")
        opinions = [] if mos is None else _numbers(mos, "opinions")
        if mos is not None and len(opinions) != len(ratings):
            raise DataError(f"got {len(ratings)} ratings and {len(opinions)} opinions; wanted one opinion an image")
        if not all(map(math.isfinite, opinions)):
            raise DataError("got an opinion that is NaN or infinite; leave out images that nobody rated")
        if ratings and self._ratings and (mos is None) is bool(self._mos):
            raise DataError("some batches came with opinions and some without; give them with all, or with none")
        self._ratings += ratings
        self._mos += opinions

    def compute(self) -> float | dict[str, float]:
        """Without opinions, the mean of the usable ratings, NaN where there is none. With them, agreement of all images
        under `srcc`, `plcc`, `krcc`, `rmse`, with `n` and `unusable`.

        Unusable answers stand at the middle of the scale, as in `loupe evaluate`: none is dropped in silence. Agreement
        is NaN below three images and where one side is constant. RMSE means something where opinions are on 1..5.
        """
        if not self._mos:
            usable = [rating for rating in self._ratings if not math.isnan(rating)]
            return sum(usable) / len(usable) if usable else math.nan
        shown = [MID_SCALE if math.isnan(rating) else rating for rating in self._ratings]
        found = correlations(shown, self._mos, n_boot=0)
        figures = {name: getattr(found, name).value for name in ("srcc", "plcc", "krcc", "rmse")}
        return {**figures, "n": float(len(shown)), "unusable": float(self.unusable)}

    def __call__(self, images: Any, mos: Any = None) -> float | dict[str, float]:
        """Gather a batch, and give what this batch alone comes to."""
        batch = type(self)(self._metric)
        batch.update(images, mos)
        self.merge_state(batch)
        return batch.compute()

    def reset(self) -> None:
        """Forget all that was gathered."""
        self._ratings, self._mos = [], []

    def state_dict(self) -> dict[str, list[float]]:
        """What was gathered, as plain lists."""
        return {"ratings": list(self._ratings), "mos": list(self._mos)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take the place of what was gathered. Raises DataError for a state of another form."""
        self._ratings, self._mos = _state(state)

    def merge_state(self, other: "Self | Mapping[str, Any]") -> None:
        """Add what another one gathered, or its `state_dict`; order does not matter. Raises DataError as `update`."""
        ratings, mos = _state(other.state_dict() if isinstance(other, LoupeMetric) else other)
        if ratings and self._ratings and bool(mos) is not bool(self._mos):
            raise DataError("one state has opinions and the other has none; give them with all batches, or with none")
        self._ratings += ratings
        self._mos += mos


def _state(state: Mapping[str, Any]) -> tuple[list[float], list[float]]:
    if set(state) != set(_KEYS):
        raise DataError(f"got a state with {', '.join(map(str, state)) or 'nothing'}; wanted {', '.join(_KEYS)}")
    ratings, mos = (_numbers(state[key], key) for key in _KEYS)
    if mos and len(mos) != len(ratings):
        raise DataError(f"got a state of {len(ratings)} ratings and {len(mos)} opinions; wanted one an image")
    return ratings, mos


def _numbers(values: Any, what: str) -> list[float]:
    try:
        return [float(value) for value in np.atleast_1d(cast(Any, array_of(values))).ravel().tolist()]
    except (TypeError, ValueError) as error:
        raise DataError(f"{what}: got {type(values).__name__}; wanted one number an image") from error
