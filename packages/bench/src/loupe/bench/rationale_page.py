"""The page of a rationale folder: a sample of kept and of dropped rationales side by side, with the reason.

It reads what the builder left (items.jsonl and the rows of its stages) and knows nothing of how that was made. Which
items are shown is drawn by seed, never by how they look; a dropped rationale is the last attempt at its item, or the
failed attempt of an item that passed later. Text is handed over as it is; the template escapes it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from loupe.bench.pages import render_page
from loupe.bench.trails import data_uri
from loupe.core import numbers
from loupe.core.errors import ImageError, MissingFileError
from loupe.core.files import inside, read_json, read_jsonl, write_text_atomic
from loupe.core.images import open_image
from loupe.core.records import Box, Episode

PAGE = "rationales.html"
STAGES = ("generate", "reliance", "consistency")
_PLACES = {"sharpness": 2, "blockiness": 2}
Row = dict[str, Any]
Key = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Look:
    """One look: its picture as a data URI, whether it is a crop, and what was said, in pieces: text, and the reason for
    which it was taken out (empty for what stayed)."""

    picture: str
    is_crop: bool
    box: Box | None
    rating: float | None
    pieces: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Card:
    """One rationale on the page."""

    item: str
    attempt: int
    label: float
    reason: str
    looks: tuple[Look, ...]
    measures: tuple[tuple[str, str, str, str], ...]
    blind: str
    signs: tuple[tuple[str, bool], ...]


def write_rationale_page(out: Path, *, data: Path, count: int = 12, seed: int = 0) -> Path:
    """Write `out`/rationales.html with at most `count` kept and `count` dropped rationales; returns its path.

    Raises MissingFileError where `out` is no finished rationale folder. An item whose picture has gone is left out.
    """
    manifest, items = read_json(out / "manifest.json"), read_jsonl(out / "items.jsonl")
    stages = {name: _rows(out / "stages" / f"{name}.jsonl") for name in STAGES}
    kept = [(row, row["attempt"], "") for row in items if row["state"] == "kept"]
    dropped = [
        (row, failure["attempt"], f"{failure['stage']}: {failure['reason']}")
        for row in items
        for failure in row["failures"][-1:]
    ]
    columns = [_cards(_drawn(rows, seed=seed), count, data=data, stages=stages) for rows in (kept, dropped)]
    page = render_page(
        "rationales.html.jinja",
        kept=columns[0],
        dropped=columns[1],
        counts=manifest["counts"],
        reasons=manifest["reasons"],
        cost=manifest["cost"]["total"],
        protocol=manifest["config"]["protocol"],
        teacher=_teacher(manifest["config"]),
        stages=STAGES,
    )
    write_text_atomic(out / PAGE, page)
    return out / PAGE


def _teacher(config: Row) -> str:
    return config["endpoint"]["model"] if config["teacher"] == "endpoint" else "the truth of the degradation engine"


def _rows(path: Path) -> dict[Key, Row]:
    rows = read_jsonl(path) if path.is_file() else []
    return {(row["item"], row["attempt"]): row for row in rows}


def _drawn(rows: Sequence[tuple[Row, int, str]], *, seed: int) -> list[tuple[Row, int, str]]:
    """The rows in an order that the seed and the ids alone decide."""
    ordered = sorted(rows, key=lambda row: row[0]["item"])
    Random(seed).shuffle(ordered)
    return ordered


def _cards(
    rows: Sequence[tuple[Row, int, str]], count: int, *, data: Path, stages: dict[str, dict[Key, Row]]
) -> list[Card]:
    """The first `count` that have a card; no picture is opened for more."""
    made = (_card(*choice, data=data, stages=stages) for choice in rows)
    return list(islice((card for card in made if card is not None), count))


def _card(item: Row, attempt: int, reason: str, *, data: Path, stages: dict[str, dict[Key, Row]]) -> Card | None:
    key = (item["item"], attempt)
    made = stages["generate"].get(key)
    if made is None:
        return None
    try:
        image = open_image(inside(data, item["image"]))
    except (ImageError, MissingFileError):
        return None
    checked, weighed = stages["reliance"].get(key, {}), stages["consistency"].get(key, {})
    return Card(
        item=item["item"],
        attempt=attempt + 1,
        label=item["label"],
        reason=reason,
        looks=_looks(image, Episode.from_json(made["episode"]), weighed.get("dropped", [])),
        measures=_measures(weighed.get("regions", [])),
        blind=checked.get("text", ""),
        signs=tuple(checked.get("signs", {}).items()),
    )


def _looks(image: Image.Image, episode: Episode, dropped: Sequence[Row]) -> tuple[Look, ...]:
    made: list[Look] = []
    for number, turn in enumerate(episode.turns):
        x1, y1, x2, y2 = turn.view
        corners = (round(x1 * image.width), round(y1 * image.height), round(x2 * image.width), round(y2 * image.height))
        box = turn.answer.bbox_2d if not number and turn.answer.bbox_2d and any(turn.answer.bbox_2d) else None
        said = [(row["text"], row["reason"]) for row in dropped if row["turn"] == number]
        view = image.crop(corners) if number else image
        made.append(Look(data_uri(view), number > 0, box, turn.answer.rating, pieces(turn.text, said)))
    return tuple(made)


def pieces(text: str, dropped: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The text cut where sentences were taken out: (text, reason), the reason empty for what stayed."""
    made: list[tuple[str, str]] = []
    rest = text
    for sentence, reason in dropped:
        before, found, after = rest.partition(sentence)
        if found:
            made += [(before, ""), (sentence, reason)]
            rest = after
    return tuple(piece for piece in [*made, (rest, "")] if piece[0])


def _measures(regions: Sequence[Row]) -> tuple[tuple[str, str, str, str], ...]:
    """Name, value of the whole picture, lowest and highest of its regions."""
    if not regions:
        return ()
    made: list[tuple[str, str, str, str]] = []
    for name in regions[0]["hints"]:
        values: list[float] = [region["hints"][name] for region in regions]
        places = _PLACES.get(name, 1)
        whole, low, high = (numbers.fixed(value, places) for value in (values[0], min(values), max(values)))
        made.append((name, whole, low, high))
    return tuple(made)
