"""The trail of an episode, ready for a page: what was shown in each turn, what the agent wrote, and what came of it.

Used by the report of an evaluation and by the page of `loupe assess`. Which images a report shows is drawn by seed from
the hard and the easy ones in equal parts, never by how well the agent did. Text is handed over verbatim; the templates
escape it. Pictures become data URIs, so that a page is one file.
"""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from PIL import Image

from loupe.bench.predictions import Prediction
from loupe.bench.verdicts import last_word, trouble
from loupe.core.files import inside, read_json, write_json
from loupe.core.images import open_image, write_png
from loupe.core.records import WHOLE, Box, Episode, Sample, Turn

FOLDER = "trails"
INDEX = "index.json"
SHOWN_SIDE = 448
"""Longest side in pixels of a picture on a page; larger ones are reduced."""
_LOSSLESS_SIDE = 300


@dataclass(frozen=True, slots=True)
class Step:
    """One turn: the picture that was shown as a data URI, its region, and the agent's turn."""

    picture: str
    size: tuple[int, int]
    region: Box
    turn: Turn

    @property
    def is_crop(self) -> bool:
        """True where a part of the image was shown."""
        return self.region != WHOLE


@dataclass(frozen=True, slots=True)
class Trail:
    """All steps over one image. `truth` is its labelled sample, None for a photograph that nobody labelled."""

    title: str
    steps: tuple[Step, ...]
    verdict: Turn | None
    trouble: str | None
    truth: Sample | None = None

    @property
    def shown(self) -> list[Box]:
        """The regions that were shown enlarged, in order."""
        return [step.region for step in self.steps if step.is_crop]


def trail(
    image: Image.Image,
    episode: Episode,
    *,
    title: str,
    truth: Sample | None = None,
    asks: Sequence[str] = ("rating",),
) -> Trail:
    """Trail of `episode` over its RGB `image`; `asks` are the keys that its task asks for."""
    steps = tuple(_step(image, turn) for turn in episode.turns)
    return Trail(title, steps, last_word(episode, asks=asks), trouble(episode, asks=asks), truth)


def keep_trail_images(predictions: Sequence[Prediction], *, data: Path, out: Path, count: int, seed: int) -> None:
    """Copy the images of `count` samples as PNG into `out`/trails, with an index from sample id to file name."""
    names = {sample.id: f"{number:03d}.png" for number, sample in enumerate(_drawn(predictions, count, seed=seed))}
    sources = {item.sample.id: item.sample.image for item in predictions}
    for sample_id, name in names.items():
        write_png(out / FOLDER / name, open_image(inside(data, sources[sample_id])))
    write_json(out / FOLDER / INDEX, names)


def kept_trails(
    run: Path, predictions: Sequence[Prediction], *, look: str, limit: int, asks: Sequence[str] = ("rating",)
) -> list[Trail]:
    """Trails under `look` of the images that a run folder kept, at most `limit`; none where it kept none. `asks` are
    the keys that the protocol asked for."""
    index = run / FOLDER / INDEX
    names: dict[str, str] = read_json(index) if index.is_file() else {}
    kept = {item.sample.id: item for item in predictions if item.look == look and item.sample.id in names}
    return [
        trail(
            open_image(inside(run / FOLDER, names[sample_id])),
            kept[sample_id].episode,
            title=sample_id,
            truth=kept[sample_id].sample,
            asks=asks,
        )
        for sample_id in [name for name in names if name in kept][:limit]
    ]


def data_uri(image: Image.Image) -> str:
    """The picture as a data URI: PNG where it is small, so that nothing is added to its damage, else JPEG."""
    shown = image.copy()
    shown.thumbnail((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.LANCZOS)
    kind = "png" if max(image.size) <= _LOSSLESS_SIDE else "jpeg"
    buffer = io.BytesIO()
    shown.save(buffer, format=kind, **({"quality": 92} if kind == "jpeg" else {}))
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"


def _step(image: Image.Image, turn: Turn) -> Step:
    x1, y1, x2, y2 = turn.view
    pixels = (round(x1 * image.width), round(y1 * image.height), round(x2 * image.width), round(y2 * image.height))
    view = image if turn.view == WHOLE else image.crop(pixels)
    return Step(data_uri(view), view.size, turn.view, turn)


def _drawn(predictions: Sequence[Prediction], count: int, *, seed: int) -> list[Sample]:
    """`count` samples, half of them hard as far as there are so many, in an order that seed and ids alone decide."""
    samples = sorted({item.sample.id: item.sample for item in predictions}.values(), key=lambda sample: sample.id)
    Random(seed).shuffle(samples)
    hard = [sample for sample in samples if sample.hard]
    easy = [sample for sample in samples if not sample.hard]
    half = max(count // 2, count - len(easy))
    return (hard[:half] + easy[: count - min(half, len(hard))])[:count]
