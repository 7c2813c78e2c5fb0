"""A row of the audit: what was compared, its figures with intervals, and a verdict by a rule that is stated in words.

Red means that the whole 95 % interval lies on the bad side of a limit, green that it lies on the good side of one; all
else is grey, and so is a row of fewer than `MIN_IMAGES` images. Differences have the limit 0. Where the honest answer
is no difference at all, green wants a bound: a change of that size is ruled out, not just not seen. Limits are ours.
Of forty judged figures of an agent without fault one is red by
chance, for an interval of 95 % leaves 2.5 % on its bad side.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from loupe.bench.correlate import Interval
from loupe.core.numbers import fixed

MIN_IMAGES = 20
"""Images below which no row is judged (ours)."""


class Verdict(StrEnum):
    """What a row comes to."""

    GREEN = "green"
    GREY = "grey"
    RED = "red"
    NONE = "none"
    """Shown for comparison; nothing is judged."""


@dataclass(frozen=True, slots=True)
class Limits:
    """When a figure is red and when it is green: beyond which value the whole interval has to lie."""

    higher_is_better: bool = True
    red: float = 0.0
    green: float = 0.0

    def verdict(self, figure: Interval, *, n: int) -> Verdict:
        """Verdict on a figure over `n` images; a bound that is not known leaves it grey."""
        if n < MIN_IMAGES:
            return Verdict.GREY
        sign = 1.0 if self.higher_is_better else -1.0
        best, worst = max(sign * figure.low, sign * figure.high), min(sign * figure.low, sign * figure.high)
        if best < sign * self.red:
            return Verdict.RED
        return Verdict.GREEN if worst > sign * self.green else Verdict.GREY

    @property
    def rule(self) -> str:
        """The rule in words."""
        bad, good = ("below", "above") if self.higher_is_better else ("above", "below")
        return f"red {bad} {_limit(self.red)}, green {good} {_limit(self.green)}"


ABOVE_ZERO = Limits()
"""A gain: red where it is a loss."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a row. `signed` says that it is a difference; `limits` are None for what is not judged."""

    words: str
    value: Interval
    limits: Limits | None = None
    signed: bool = True


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the audit over `n` images and `seeds` repeats. `reason` is likely, and said of a red row alone."""

    section: str
    name: str
    n: int
    figures: tuple[Figure, ...]
    reason: str
    seeds: int = 1

    @property
    def verdict(self) -> Verdict:
        """Red where one figure is, else green where one is, else grey; none where nothing is judged."""
        found = [item.limits.verdict(item.value, n=self.n) for item in self.figures if item.limits is not None]
        order = (Verdict.RED, Verdict.GREEN, Verdict.GREY)
        return next((verdict for verdict in order if verdict in found), Verdict.NONE)

    def to_json(self) -> dict[str, object]:
        """Plain dict: each figure with its verdict and its rule."""
        figures = [
            {
                "words": item.words,
                "value": list(item.value),
                "signed": item.signed,
                "verdict": (item.limits.verdict(item.value, n=self.n) if item.limits else Verdict.NONE).value,
                "rule": item.limits.rule if item.limits else None,
            }
            for item in self.figures
        ]
        return {
            "section": self.section,
            "name": self.name,
            "n": self.n,
            "seeds": self.seeds,
            "figures": figures,
            "verdict": self.verdict.value,
            "reason": self.reason if self.verdict is Verdict.RED else None,
        }


def _limit(value: float) -> str:
    return "0" if value == 0 else fixed(value, 2)


def red_reasons(rows: Sequence[Row]) -> list[dict[str, object]]:
    """The red rows with their likely reason, those of one reason together."""
    names: dict[str, list[str]] = {}
    for row in rows:
        if row.verdict is Verdict.RED:
            names.setdefault(row.reason, []).append(row.name)
    return [{"reason": reason, "rows": found} for reason, found in names.items()]
