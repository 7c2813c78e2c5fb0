"""calibration.json: how wide intervals are, and of whom: the file that `loupe assess --calibration` reads.

A width holds for one way to judge. So the file names the weights, the words, the look and the number of judgements that
it was made with, and whoever judges in another way is refused.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from loupe.bench.calibration.conformal import BY, NONCONFORMITY, interval, unit_widths
from loupe.bench.predictions import FAST
from loupe.core.errors import ConfigError, DataError
from loupe.core.files import read_json, write_json
from loupe.core.protocol import Protocol

FILE = "calibration.json"


@dataclass(frozen=True, slots=True)
class Way:
    """One way to judge. `look` is decided, never or fast; `draw_temperature` that of the drawn judgements, None where
    there are none; `opening` the text that the fast mode begins, "" elsewhere. Two that are equal give ratings that are
    off alike."""

    weights: str
    protocol: str
    fingerprint: str
    look: str
    samples: int = 1
    temperature: float = 0.0
    draw_temperature: float | None = None
    opening: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Widths of intervals that miss a share `alpha` of labels: `quantile` nonconformities around the rating.

    `n` images of `references` pristine ones with an opinion were judged, and `unusable` more had no rating. `levels`
    has the quantile of other shares by their alpha; infinite (null in the file) where the images were too few.
    """

    alpha: float
    quantile: float
    nonconformity: str
    floor: float
    by: str
    n: int
    references: int
    unusable: int
    levels: dict[str, float]
    way: Way
    data: dict[str, str]

    def interval(self, rating: float, spread: float | None) -> tuple[float, float]:
        """Interval on 1..5 around a rating whose judgements have this standard deviation (None for one judgement)."""
        width = float(unit_widths([spread], nonconformity=self.nonconformity, floor=self.floor)[0])
        return interval(rating, self.quantile * width)


def way_of(
    protocol: Protocol,
    *,
    weights: str,
    look: str,
    samples: int,
    temperature: float = 0.0,
    draw_temperature: float | None = None,
) -> Way:
    """The way to judge of these settings; what has no bearing on a rating is left out of it."""
    fast = look == FAST
    drawn = protocol.sampling.temperature if draw_temperature is None else draw_temperature
    return Way(
        weights=weights,
        protocol=protocol.name,
        fingerprint=protocol.fingerprint,
        look=look,
        samples=1 if fast else samples,
        temperature=0.0 if fast else temperature,
        draw_temperature=None if fast or samples == 1 else drawn,
        opening=protocol.fast_opening if fast else "",
    )


def check_way(calibration: Calibration, way: Way, *, file: Path | str) -> None:
    """Raises ConfigError where the file was made by judging in another way."""
    pairs = {
        field.name: (getattr(calibration.way, field.name), getattr(way, field.name))
        for field in fields(Way)
        # The name is a label; what is asked is the fingerprint's.
        if field.name != "protocol"
    }
    if other := [name for name, (theirs, ours) in pairs.items() if theirs != ours]:
        words = "; ".join(f"{name} was {_short(pairs[name][0])}, is {_short(pairs[name][1])}" for name in other)
        raise ConfigError(f"{file} is of another way to judge: {words}; judge as it says, or calibrate again")


def write_calibration(path: Path | str, calibration: Calibration) -> None:
    """Write the file, atomically."""
    write_json(path, asdict(calibration))


def read_calibration(path: Path | str) -> Calibration:
    """Raises MissingFileError, and DataError for a file of another form."""
    row = read_json(path)
    try:
        levels: Mapping[str, Any] = row["levels"]
        plain: dict[str, Any] = {
            **row,
            "alpha": float(row["alpha"]),
            "floor": float(row["floor"]),
            "quantile": _number(row["quantile"]),
            "levels": {str(alpha): _number(value) for alpha, value in levels.items()},
            "way": Way(**row["way"]),
        }
        made = Calibration(**plain)
        _check(made)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        why = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise DataError(
            f"{path} is no calibration ({why:.100}); wanted a file that loupe evaluate wrote with calibrate=..."
        ) from error
    return made


def _check(made: Calibration) -> None:
    """Raises ValueError for numbers that no calibration has."""
    if made.nonconformity not in NONCONFORMITY or made.by not in BY:
        raise ValueError(f"nonconformity {made.nonconformity}, by {made.by}")
    if not (0.0 < made.alpha < 1.0 and made.quantile >= 0.0 and 0.0 < made.floor < math.inf):
        raise ValueError(f"alpha {made.alpha}, quantile {made.quantile}, floor {made.floor}")
    # An alpha or a quantile that somebody changed by hand would promise what nobody measured.
    if made.levels.get(str(made.alpha)) != made.quantile:
        raise ValueError(f"its quantile is not that of alpha {made.alpha}")


def _number(value: Any) -> float:
    return math.inf if value is None else float(value)


def _short(value: Any) -> str:
    return f"{value[:12]}…" if isinstance(value, str) and len(value) > 24 else repr(value)
