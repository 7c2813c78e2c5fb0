"""What a ranking says, ready for a table, a page or a file."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from loupe.core.numbers import count, percent


@dataclass(frozen=True, slots=True)
class Ranked:
    """One picture of a ranking; equals share the better `rank`, from 1.

    `score` is a rating on 1..5, or a strength with mean zero: for Bradley-Terry in log odds, for Thurstone in units of
    the noise of one comparison. Higher is better. `interval` holds 95 % of its draws, `ranks` the first and the last
    rank that hold 95 % of them, `shares` how often it takes each rank (rank, share in 0..1), `not_apart` the neighbours
    that are not told apart from it; None where nothing was drawn. `copies` are files with the same pixels.
    """

    image: str
    rank: int
    score: float
    interval: tuple[float, float] | None = None
    ranks: tuple[int, int] | None = None
    shares: tuple[tuple[int, float], ...] | None = None
    not_apart: tuple[str, ...] | None = None
    copies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ranking:
    """A folder in order, the best first. `problems` are (picture, reason) of those that could not be ranked, `notes`
    what a reader should know, `counts` figures by name, such as comparisons and unusable answers."""

    by: str
    model: str
    protocol: str
    unit: str
    seed: int
    pictures: tuple[Ranked, ...]
    problems: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    counts: Mapping[str, float | None] = field(default_factory=dict[str, float | None])

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)

    @property
    def basis(self) -> str:
        """What the order is made of, in a sentence."""
        unusable = f"{count(int(self.counts['unusable'] or 0))} answers could not be used"
        if "comparisons" not in self.counts:
            return f"{count(int(self.counts['ratings'] or 0))} ratings; {unusable}."
        asked, pairs = (count(int(self.counts[name] or 0)) for name in ("comparisons", "pairs"))
        same = percent(self.counts["same_in_both_orders"])
        return (
            f"{asked} comparisons of {pairs} pairs, each in both orders; {unusable}. The same verdict in both orders: "
            f"{same} of the pairs."
        )

    def near(self, picture: Ranked) -> str:
        """Ranks of the neighbours that are not told apart from `picture`, such as `2–5`; empty where there are none."""
        names = frozenset(picture.not_apart or ())
        ranks = [item.rank for item in self.pictures if item.image in names]
        if not ranks:
            return ""
        return str(min(ranks)) if min(ranks) == max(ranks) else f"{min(ranks)}–{max(ranks)}"
