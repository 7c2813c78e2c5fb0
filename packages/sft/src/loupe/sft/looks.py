"""Looks to learn perception from: an overview, a crop, or both in one conversation, with questions and true answers.

Most answers are the bare `<answer>`. Some say the same in a sentence, and a few repeat a sentence that they are given:
what SFT starts from must know its language already, or SFT spends itself on words and forgets how to see. Some say the
rating alone: a rating that only ever follows the true class and severity learns to believe them, not the image. In a
pair the first answer is a blind guess that carries no loss, so that the second has to come from both views.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from loupe.core.answer import answer_of, render
from loupe.core.protocol import Protocol
from loupe.core.records import DISTORTION_CLASSES, SEVERITIES, Box, severity_word
from loupe.data.degrade import CLEAN, REGIONS
from loupe.data.rationale import REMARKS, finding
from loupe.sft.views import Views

CROP_QUESTION = "Judge this crop."
"""What the base is asked about a crop on its own; episodes never use it."""
SENTENCE_QUESTION = "Say what is wrong."
"""What the base is asked for a sentence instead of an answer."""
REPEAT_QUESTION = "Say: {}"
"""What the base is asked to repeat."""
RATING_QUESTION = "Say the rating."
"""What the base is asked for the rating alone."""
SENTENCE_SHARE, REPEAT_SHARE, RATING_SHARE = 0.12, 0.04, 0.2
"""Shares of looks that are answered by a sentence, have a sentence repeated, say the rating alone (ours)."""


@dataclass(frozen=True)
class LookBatch:
    """Views and what is said about them."""

    pixels: npt.NDArray[np.uint8]
    """(B, side, side, 3)"""
    texts: list[tuple[str, str]]
    """Question and answer of each view."""
    seconds: frozenset[int] = frozenset()
    """Views that are the second turn of the conversation that the view before them opens."""

    @property
    def conversations(self) -> list[range]:
        """The views of each conversation."""
        starts = [view for view in range(len(self.texts)) if view not in self.seconds]
        return [range(start, end) for start, end in pairwise([*starts, len(self.texts)])]

    @property
    def guesses(self) -> frozenset[int]:
        """Views that a second one follows: what is said of them is a blind guess."""
        return frozenset(view - 1 for view in self.seconds)


_Look = tuple[npt.NDArray[np.uint8], tuple[str, str]]


def draw_looks(
    views: Views, protocol: Protocol, count: int, *, rng: np.random.Generator, paired: bool = False
) -> LookBatch:
    """A random batch of `count` views, each mirrored at random: overviews and crops in turn, or, where `paired`, both
    of one image in one conversation."""
    looks: list[_Look] = []
    seconds: set[int] = set()
    while len(looks) < count:
        kind = "pair" if paired else "overview" if len(looks) % 2 == 0 else "crop"
        i, flips = int(rng.integers(len(views))), (bool(rng.random() < 0.5), bool(rng.random() < 0.5))
        region = views.draw_region(i, rng)
        if kind == "pair":
            looks.append(_guess(views, protocol, i, region=region, flips=flips, rng=rng))
            seconds.add(len(looks))
        picture, text = _example(views, protocol, i, kind, region=region, flips=flips, brief=bool(rng.random() < 0.5))
        form = rng.random()
        if form < REPEAT_SHARE:
            text = _repeat(rng)
        elif form < REPEAT_SHARE + SENTENCE_SHARE:
            text = _sentence(views, i, kind, region=region, flips=flips, rng=rng)
        elif form < REPEAT_SHARE + SENTENCE_SHARE + RATING_SHARE:
            text = RATING_QUESTION, f"{_rating(views, i, kind, region)}"
        looks.append((picture, text))
    return _batch(looks, seconds)


def looks_in_order(views: Views, protocol: Protocol, kind: str, *, size: int = 100) -> Iterator[LookBatch]:
    """Every image once, unmirrored: its overview, for the kind `crop` its true region, for `pair` both; `size` images a
    batch."""
    flips = (False, False)
    for first in range(0, len(views), size):
        looks: list[_Look] = []
        seconds: set[int] = set()
        for i in range(first, min(first + size, len(views))):
            region = views.true_region(i)
            if kind == "pair":
                looks.append(_guess(views, protocol, i, region=region, flips=flips, rng=np.random.default_rng(i)))
                seconds.add(len(looks))
            looks.append(_example(views, protocol, i, kind, region=region, flips=flips, brief=True))
        yield _batch(looks, seconds)


def _batch(looks: list[_Look], seconds: set[int]) -> LookBatch:
    return LookBatch(np.stack([look[0] for look in looks]), [look[1] for look in looks], frozenset(seconds))


def _guess(
    views: Views,
    protocol: Protocol,
    index: int,
    *,
    region: int,
    flips: tuple[bool, bool],
    rng: np.random.Generator,
) -> _Look:
    """The overview and a blind guess about it; its region is the one that the crop after it shows."""
    clean = rng.random() < 1 / (len(DISTORTION_CLASSES) + 1)
    fields: dict[str, Any] = {
        "distortion_class": None if clean else str(rng.choice(DISTORTION_CLASSES)),
        "severity": None if clean else str(rng.choice(SEVERITIES)),
        "bbox_2d": _flip_box(REGIONS[region], flips),
        "rating": round(float(rng.uniform(1, 5)), 1),
    }
    return _flip(views.overviews[index], flips), (protocol.question, _bare(fields))


def _example(
    views: Views, protocol: Protocol, index: int, kind: str, *, region: int, flips: tuple[bool, bool], brief: bool
) -> _Look:
    truth = views.samples[index].degradation
    assert truth is not None
    if kind == "crop":
        seen = views.region_shows(index, region)
        fields: dict[str, Any] = {
            "distortion_class": truth.distortion_class if seen else None,
            "severity": severity_word(truth.severity) if seen else None,
            "rating": _rating(views, index, kind, region),
        }
        return _flip(views.crop(index, region), flips), (CROP_QUESTION, _bare(fields))
    fields = {
        "distortion_class": truth.distortion_class,
        "severity": severity_word(truth.severity),
        "bbox_2d": _flip_box(truth.bbox_2d, flips),
        "rating": _rating(views, index, kind, region),
    }
    if kind == "pair":
        return _flip(views.crop(index, region), flips), (protocol.final_question, _bare(fields))
    question = protocol.no_zoom_question if brief else protocol.question
    return _flip(views.overviews[index], flips), (question, _bare(fields))


def _rating(views: Views, index: int, kind: str, region: int) -> float:
    """Rating of what is seen, 1.0 to 5.0 in tenths: of a crop alone that of its region, else that of the image."""
    seen = views.evidence[index].region_ratings[region] if kind == "crop" else views.samples[index].rating
    return round(seen, 1)


def _sentence(
    views: Views, index: int, kind: str, *, region: int, flips: tuple[bool, bool], rng: np.random.Generator
) -> tuple[str, str]:
    """What is wrong with the view, in a pair with the crop, in one sentence."""
    truth = views.samples[index].degradation
    assert truth is not None
    cropped = kind in ("crop", "pair")
    if cropped and not views.region_shows(index, region):
        truth = CLEAN
    mirrored = replace(truth, bbox_2d=_flip_box(truth.bbox_2d, flips))
    return SENTENCE_QUESTION, finding(mirrored, rng, crop=cropped)


def _repeat(rng: np.random.Generator) -> tuple[str, str]:
    """Two of the rationales' remarks, or their tags around one, to be said again."""
    first, second = (REMARKS[place] for place in rng.integers(len(REMARKS), size=2))
    words = f"{first} {second}" if rng.random() < 0.5 else f"<think>{first}</think>"
    return REPEAT_QUESTION.format(words), words


def _bare(fields: dict[str, Any]) -> str:
    text = render(answer_of("", **fields))
    return text[text.index("<answer>") :]


def _flip(pixels: npt.NDArray[np.uint8], flips: tuple[bool, bool]) -> npt.NDArray[np.uint8]:
    return pixels[:: -1 if flips[1] else 1, :: -1 if flips[0] else 1]


def _flip_box(box: Box | None, flips: tuple[bool, bool]) -> Box | None:
    if box is None:
        return None
    x1, y1, x2, y2 = box
    if flips[0]:
        x1, x2 = 1 - x2, 1 - x1
    if flips[1]:
        y1, y2 = 1 - y2, 1 - y1
    return (x1, y1, x2, y2)
