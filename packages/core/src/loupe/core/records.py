"""The records that travel between packages: what an image is labelled with, and what an agent made of it.

All are frozen, hold plain values only, and go to and from JSON by `to_json` and `from_json`, so that every file that
a stage writes can be read by the next one, by pandas, or by a person.
"""

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from loupe.core.answer import Answer

Box = tuple[float, float, float, float]
"""[x1, y1, x2, y2], normalised to [0, 1], top left and bottom right corner."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

DISTORTION_CLASSES = ("noise", "blur", "compression", "darken", "brighten", "pixelate")
SEVERITIES = ("slight", "moderate", "obvious", "serious", "catastrophic")
"""Severity words of level 1 to 5; level 0 is a clean image and has no word."""
CHOICES = ("Image A", "Image B", "Similar")
"""What the answer to a comparison of two images may be."""


def severity_word(level: int) -> str | None:
    """Word for a severity level in 0..5; None for 0 (clean)."""
    return SEVERITIES[level - 1] if level > 0 else None


@dataclass(frozen=True, slots=True)
class Degradation:
    """What is wrong with an image. `severity` is 0 (clean) to 5; `bbox_2d` is the damaged region, None if clean."""

    distortion_class: str | None
    severity: int
    bbox_2d: Box | None
    variant: str | None = None

    @property
    def is_local(self) -> bool:
        """True where only a part of the image is damaged."""
        return self.bbox_2d is not None and self.bbox_2d != WHOLE


@dataclass(frozen=True, slots=True)
class Sample:
    """One labelled image of a data folder.

    `image` is a path relative to that folder, and so is `reference`, the picture that it was made from. `mos` is raw,
    on `scale_min`..`scale_max`; `rating` is the same opinion on 1..5, higher is better. Both are NaN, null in JSON,
    where nobody rated the image. `mos_std` is on the scale of `mos`; `level_probs` says how opinions spread over the
    five levels, the best first. `ref_id` names what the image shares with others: the pristine image that it was made
    from, or the words that it was generated from. `distortion` is the data set's own word for what was done to it,
    `degradation` what that is in Loupe's. `hard` says that the evidence in the overview is not enough (None where
    nobody measured it).
    """

    id: str
    image: str
    dataset: str
    split: str
    rating: float
    mos: float
    scale_min: float = 1.0
    scale_max: float = 5.0
    higher_is_better: bool = True
    mos_std: float | None = None
    ref_id: str | None = None
    degradation: Degradation | None = None
    hard: bool | None = None
    reference: str | None = None
    distortion: str | None = None
    level_probs: tuple[float, ...] | None = None

    @property
    def group(self) -> str:
        """What is resampled together: images of one `ref_id`, else the image alone."""
        return self.ref_id or self.id

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Inverse of `to_json`. Raises TypeError on unknown or missing keys."""
        fields = _with_tuple(row, "level_probs")
        for name in ("rating", "mos"):
            if name in fields and fields[name] is None:
                fields[name] = math.nan
        found: dict[str, Any] | None = fields.get("degradation")
        if found is not None:
            fields["degradation"] = Degradation(**_with_tuple(found, "bbox_2d"))
        return cls(**fields)


class StopReason(StrEnum):
    """Why an episode ended."""

    FINAL = "final"
    """The agent gave its last word and asked for no crop."""
    ROUND_LIMIT = "round_limit"
    """The agent asked for another crop, and the protocol allows none."""
    REPEATED = "repeated"
    """The agent asked for a region that it had asked for or been shown before."""
    BAD_BOX = "bad_box"
    """The agent asked for a crop of a region that cannot be read, and the protocol keeps the rating."""
    TOKEN_LIMIT = "token_limit"
    """The agent asked for a crop and had written all that the protocol allows in an episode."""
    PIXEL_LIMIT = "pixel_limit"
    """The agent asked for a crop that would show more pixels than the protocol allows in an episode."""
    UNUSABLE = "unusable"
    """The agent's last answer could not be parsed."""
    TRUNCATED = "truncated"
    """The answer ran into the token limit before it was complete."""
    READ_OFF = "read_off"
    """Nothing was written: the fast mode read the rating off the agent's distribution, and there was no reasoning."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One look and what the agent said about it. `view` is the region that was shown, in the whole image's coordinates.

    `text` is verbatim; `answer` is what the grammar made of it. `expected_rating` (1..5) is the mean of the agent's own
    distribution over the ratings that it could have written here, where the policy can tell.
    """

    view: Box
    text: str
    answer: Answer
    tokens: int
    seconds: float
    truncated: bool = False
    expected_rating: float | None = None


@dataclass(frozen=True, slots=True)
class Episode:
    """All turns over one image. The rating of the episode is that of the last turn that gave one."""

    sample_id: str
    turns: tuple[Turn, ...]
    stop_reason: StopReason

    @property
    def verdict(self) -> Turn | None:
        """The last turn with a usable answer that holds a rating; None where there was none. After a failed later look
        this is an earlier turn, and `kept_earlier` says so."""
        return next(
            (turn for turn in reversed(self.turns) if turn.answer.usable and turn.answer.rating is not None), None
        )

    @property
    def kept_earlier(self) -> bool:
        """True where the last look failed and the rating is that of a look before it."""
        return self.verdict is not None and self.verdict is not self.turns[-1]

    @property
    def zoomed(self) -> bool:
        """True where the agent was shown more than the overview."""
        return len(self.turns) > 1

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Inverse of `to_json`."""
        return cls(row["sample_id"], tuple(_turn(turn) for turn in row["turns"]), StopReason(row["stop_reason"]))


class Learn(StrEnum):
    """Which tokens of a turn carry loss in SFT."""

    ALL = "all"
    WORDS = "words"
    """All but the rating."""
    RATING = "rating"
    """The rating alone."""
    NOTHING = "nothing"
    """None: the turn is context."""


@dataclass(frozen=True, slots=True)
class RationaleTurn:
    """One written turn of a rationale, and what of it is to be learnt."""

    view: Box
    text: str
    learn: Learn = Learn.ALL


@dataclass(frozen=True, slots=True)
class Rationale:
    """What an ideal agent would write about one image: an SFT example.

    `zoom_allowed` is False for the mode in which the agent is told to judge from the overview alone.
    """

    sample_id: str
    turns: tuple[RationaleTurn, ...]
    zoom_allowed: bool = True

    def to_json(self) -> dict[str, Any]:
        """Plain dict, ready for `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, row: dict[str, Any]) -> Self:
        """Inverse of `to_json`."""
        fields = dict(row)
        fields["turns"] = tuple(_rationale_turn(turn) for turn in row["turns"])
        return cls(**fields)


def _turn(row: dict[str, Any]) -> Turn:
    fields = _with_tuple(row, "view")
    fields["answer"] = Answer.from_json(row["answer"])
    return Turn(**fields)


def _rationale_turn(row: dict[str, Any]) -> RationaleTurn:
    fields = _with_tuple(row, "view")
    fields["learn"] = Learn(row.get("learn", Learn.ALL))
    return RationaleTurn(**fields)


def _with_tuple(row: dict[str, Any], key: str) -> dict[str, Any]:
    """Copy of `row` with the list at `key` as a tuple; JSON knows lists only."""
    fields = dict(row)
    if fields.get(key) is not None:
        fields[key] = tuple(fields[key])
    return fields
