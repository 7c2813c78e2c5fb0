"""The examples that a run learns from and those that it leaves out: as a record, as length.json, and in words."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from loupe.core.numbers import count
from loupe.sft.examples import Example

FILE = "length.json"
"""Where a run folder has what was counted."""


@dataclass(frozen=True)
class Lost:
    """An example that is left out."""

    source: str
    example: str
    reason: str
    tokens: int


@dataclass(frozen=True)
class Fitted:
    """The examples that are kept, their lengths in tokens, and what was left out. `max_tokens` is 0 for no bound."""

    max_tokens: int
    kept: tuple[Example, ...] = ()
    tokens: tuple[int, ...] = ()
    lost: tuple[Lost, ...] = ()

    def __add__(self, other: "Fitted") -> "Fitted":
        return Fitted(self.max_tokens, self.kept + other.kept, self.tokens + other.tokens, self.lost + other.lost)

    def report(self) -> dict[str, Any]:
        """What length.json holds: by source the numbers kept and their lengths, and what was left out by reason."""
        return {
            "max_tokens": self.max_tokens,
            "kept": {name: _spread(lengths) for name, lengths in self._by_source().items()},
            "longest": self._longest(),
            "left_out": {
                source: dict(Counter(item.reason for item in self.lost if item.source == source))
                for source in dict.fromkeys(item.source for item in self.lost)
            },
            "left_out_longest": asdict(max(self.lost, key=lambda item: item.tokens)) if self.lost else None,
        }

    def lines(self) -> list[str]:
        """The same in words: one line of what is kept, and one for each source and reason that left something out."""
        if not self.kept:
            return [*self._lost_lines()]
        low, high, longest = min(self.tokens), max(self.tokens), self._longest()
        name = f"{longest['source']}: {longest['example']}" if longest else ""
        kept = f"{count(len(self.kept))} examples of {count(low)} to {count(high)} tokens; the longest is {name}"
        return [kept, *self._lost_lines()]

    def _lost_lines(self) -> list[str]:
        counted = Counter((item.source, item.reason) for item in self.lost)
        made: list[str] = []
        for (source, reason), number in counted.items():
            worst = max((item for item in self.lost if (item.source, item.reason) == (source, reason)), key=_tokens)
            made.append(
                f"left out {count(number)} of {source}: {reason}; the longest is {worst.example} with "
                f"{count(worst.tokens)} tokens"
            )
        return made

    def _by_source(self) -> dict[str, list[int]]:
        made: dict[str, list[int]] = {}
        for example, tokens in zip(self.kept, self.tokens, strict=True):
            made.setdefault(example.source, []).append(tokens)
        return made

    def _longest(self) -> dict[str, Any] | None:
        if not self.kept:
            return None
        place = max(range(len(self.kept)), key=lambda index: self.tokens[index])
        example = self.kept[place]
        return {"source": example.source, "example": example.name, "tokens": self.tokens[place]}


def _tokens(item: Lost) -> int:
    return item.tokens


def _spread(lengths: Sequence[int]) -> dict[str, float]:
    return {
        "examples": len(lengths),
        "shortest": min(lengths),
        "median": median(lengths),
        "longest": max(lengths),
        "tokens": sum(lengths),
    }
