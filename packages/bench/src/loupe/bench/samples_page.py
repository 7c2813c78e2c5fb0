"""What an agent in training said about the same few held-out images, early, halfway and late: ready for a page.

Reads `episodes.jsonl` and the kept copies of a run folder. The images are fixed before the first step, so nothing here
was picked by how well it went. Text is handed over verbatim; the templates escape it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from loupe.bench.trails import Trail, data_uri, trail
from loupe.core.errors import DataError
from loupe.core.files import read_jsonl
from loupe.core.images import open_image
from loupe.core.records import Episode, Sample
from loupe.core.runs import EPISODES
from loupe.core.watched import read_watched

SHOWN_STEPS = 3
"""Evaluations that a page shows side by side: the first, those between at equal distances, and the last."""
THUMBNAIL = 224
"""Longest side in pixels of an image on a page."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the agent said after a number of steps."""

    step: int
    trail: Trail


@dataclass(frozen=True, slots=True)
class SaidOver:
    """One image as a data URI, and what was said about it over the training, early to late."""

    picture: str
    sample: Sample
    said: tuple[Said, ...]


def said_over_training(run: Path | str) -> list[SaidOver]:
    """The watched images of a training in their order; none where its folder kept none, or no episodes.

    Raises DataError for rows of another form.
    """
    folder = Path(run)
    watched, path = read_watched(folder), folder / EPISODES
    if not watched or not path.is_file():
        return []
    spoken = _by_image(read_jsonl(path), path)
    made: list[SaidOver] = []
    for item in watched:
        image, known = open_image(item.path), spoken.get(item.sample.id, {})
        said = tuple(
            Said(step, trail(image, known[step], title=item.sample.id, truth=item.sample))
            for step in chosen(sorted(known))
        )
        made.append(SaidOver(_thumbnail(image), item.sample, said))
    return made


def chosen(steps: Sequence[int]) -> list[int]:
    """At most SHOWN_STEPS of the steps: the first, the last, and what lies between at equal distances."""
    if len(steps) <= SHOWN_STEPS:
        return list(steps)
    return [steps[round(place * (len(steps) - 1) / (SHOWN_STEPS - 1))] for place in range(SHOWN_STEPS)]


def _by_image(rows: Sequence[dict[str, Any]], path: Path) -> dict[str, dict[int, Episode]]:
    made: dict[str, dict[int, Episode]] = {}
    try:
        for row in rows:
            episode = Episode.from_json(row)
            made.setdefault(episode.sample_id, {})[int(row["step"])] = episode
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: a row does not fit ({error}); was the file made by another version?") from error
    return made


def _thumbnail(image: Image.Image) -> str:
    small = image.copy()
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return data_uri(small)
