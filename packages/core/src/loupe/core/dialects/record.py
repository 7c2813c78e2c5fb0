"""What an agent said in one turn, whichever dialect it said it in."""

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Answer:
    """What an agent said in one turn.

    `rating` is on 1..5, higher is better; a reference dialect may give a number outside, as its code does.
    `distortion_class` and `severity` are words, None where the agent said null or nothing; `said` holds the keys that
    were written, so that "no distortion" and "not asked" differ. `bbox_2d` is [x1, y1, x2, y2] in [0, 1]; in the
    dialect zoom-iqa it is as written, which may be pixels. `problem` is None for a usable answer, else the reason in a
    few words. `well_formed` is true where the whole text has the layout that the dialect asks for. `wants_crop` is true
    where the agent asks to look at `bbox_2d` more closely. `description` is free text, where that was asked for.
    """

    rating: float | None = None
    distortion_class: str | None = None
    severity: str | None = None
    bbox_2d: tuple[float, float, float, float] | None = None
    tool: str | None = None
    choice: str | None = None
    description: str | None = None
    think: str = ""
    said: tuple[str, ...] = ()
    well_formed: bool = False
    problem: str | None = None
    wants_crop: bool = False

    @property
    def usable(self) -> bool:
        """True where the text held one answer with nothing wrong in it."""
        return self.problem is None

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Inverse of `to_json`."""
        fields: dict[str, Any] = {**row, "said": tuple(row["said"])}
        if row["bbox_2d"] is not None:
            fields["bbox_2d"] = tuple(row["bbox_2d"])
        return cls(**fields)
