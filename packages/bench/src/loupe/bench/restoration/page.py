"""The page of restoration: both tables, and a few images before, after and pristine side by side with the diagnosis."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from PIL import Image

from loupe.bench.pages import region, render_page
from loupe.bench.predictions import Prediction
from loupe.bench.restoration.arms import true_treatment
from loupe.bench.restoration.measure import Originals
from loupe.bench.restoration.table import class_table, gain_table, notes
from loupe.bench.trails import data_uri
from loupe.bench.verdicts import trouble, verdict_of
from loupe.core.files import write_text_atomic
from loupe.core.records import SEVERITIES, WHOLE, Box
from loupe.data.degrade import Pixels
from loupe.data.remedies.apply import Treatment, treat


@dataclass(frozen=True, slots=True)
class Picture:
    """One view of an image: a data URI, and what it reached."""

    title: str
    uri: str
    figures: Mapping[str, float | None] | None
    box: Box | None = None


@dataclass(frozen=True, slots=True)
class Case:
    """One image on the page. `said` is the agent's verdict in words, `words` what it wrote, both untrusted."""

    title: str
    said: str
    truth: str
    words: str
    pictures: tuple[Picture, ...]


def write_page(
    path: Path,
    data: Mapping[str, Any],
    *,
    predictions: Sequence[Prediction],
    arms: Mapping[str, Mapping[str, Sequence[Treatment]]],
    rows: Sequence[Mapping[str, Any]],
    originals: Originals,
) -> None:
    """Write one self-contained page; `data` are the contents of restoration.json."""
    by_id = {row["id"]: row for row in rows}
    drawn = draw_cases(predictions, count=data["config"]["shown"], seed=data["config"]["seed"])
    cases = [_case(item, arms[item.sample.id], row=by_id[item.sample.id], originals=originals) for item in drawn]
    page = render_page(
        "restoration.html.jinja",
        model=data["config"]["model"],
        gains=gain_table(data),
        classes=class_table(data),
        notes=notes(data),
        cases=cases,
    )
    write_text_atomic(path, page)


def draw_cases(predictions: Sequence[Prediction], *, count: int, seed: int) -> list[Prediction]:
    """`count` damaged images, class by class in turn; drawn by seed, never by how well it went."""
    by_class: dict[str, list[Prediction]] = {}
    for item in sorted(predictions, key=lambda item: item.sample.id):
        if (name := true_treatment(item.sample).distortion_class) is not None:
            by_class.setdefault(name, []).append(item)
    for name in by_class:
        Random(f"{seed}/{name}").shuffle(by_class[name])
    deepest = max((len(items) for items in by_class.values()), default=0)
    turns = [by_class[name][depth] for depth in range(deepest) for name in by_class if depth < len(by_class[name])]
    return turns[:count]


def _case(
    item: Prediction, arms: Mapping[str, Sequence[Treatment]], *, row: Mapping[str, Any], originals: Originals
) -> Case:
    pristine, damaged = originals.pair(item.sample)
    (agent,), (truth,) = arms["agent"], arms["truth"]
    pictures = (
        Picture("before", _uri(damaged), row["before"], truth.bbox_2d),
        Picture("after, agent's diagnosis", _uri(treat(damaged, agent)), row["after"]["agent"][0], agent.bbox_2d),
        Picture("after, true diagnosis", _uri(treat(damaged, truth)), row["after"]["truth"][0], truth.bbox_2d),
        Picture("pristine", _uri(pristine), None),
    )
    turn = verdict_of(item.episode)
    said = f"no verdict ({trouble(item.episode)})" if turn is None else in_words(agent)
    return Case(item.sample.id, said, in_words(truth), turn.text if turn else "", pictures)


def in_words(treatment: Treatment) -> str:
    """A treatment as a diagnosis: class, severity and place."""
    if treatment.distortion_class is None:
        return "nothing to treat"
    where = "all over" if treatment.bbox_2d == WHOLE else f"in {region(treatment.bbox_2d)}"
    return f"{treatment.distortion_class}, {SEVERITIES[treatment.level - 1]}, {where}"


def _uri(image: Pixels) -> str:
    return data_uri(Image.fromarray(image))
