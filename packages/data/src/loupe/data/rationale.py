"""Grounded rationales for synthetic images: what an ideal agent would write, worded from the known truth.

Every statement is true of the image by construction: what, where, how strong, whether the overview is enough (measured,
see `evidence`), and after a crop what that crop showed. Wording varies at random so that form is not memorised. But the
damage has one name, is named before its strength, and follows the same openings as no damage does: else the most
probable next word would not belong to the most probable finding, and an agent that decodes greedily would lean to what
has the fewest names. Four kinds of example (ours):

- the ideal look: finish on easy images, crop the damaged region on hard ones and confirm. The confirmation carries no
  loss: it repeats a first look that is always right, and an agent that learns from it copies its own mistakes;
- the doubtful first look: class, level and rating are a blind guess and carry no loss, the crop puts them right. The
  crop shows the damaged region, or one that overlaps it; of a clean image it shows nothing;
- the wrong crop: the region shows nothing, carries no loss, and the agent keeps to its first view;
- no zoom: the same image judged from the overview alone, in the mode that says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from loupe.core.answer import answer_of, render
from loupe.core.errors import DataError
from loupe.core.records import (
    DISTORTION_CLASSES,
    WHOLE,
    Box,
    Degradation,
    Learn,
    Rationale,
    RationaleTurn,
    Sample,
    severity_word,
)
from loupe.data.degrade import CLEAN, REGIONS
from loupe.data.evidence import Evidence, overlap

SHOWN = 0.2
"""A crop shows the damage where at least this share of it lies inside the damaged region."""
_NEAR_SHARE = 0.5
"""Share of doubtful looks whose crop may be any that shows the damage (ours)."""
_PLACES = (
    "at the top left", "at the top", "at the top right",
    "on the left", "in the centre", "on the right",
    "at the bottom left", "at the bottom", "at the bottom right",
)  # fmt: skip
_NOUNS = {
    "noise": "noise",
    "blur": "blur",
    "compression": "compression",
    "darken": "darkening",
    "brighten": "brightening",
    "pixelate": "pixelation",
}
_OPENINGS = ("I see", "There is", "The image shows")
_CROP_OPENINGS = ("The crop shows", "Up close I see", "Now I see")
_STRENGTHS = (", {}.", "; it is {}.")
_NOTHING = "no damage"
_SURE = ("Clear enough, no crop.", "I am sure, so I finish.", "No need to look closer.")
_UNSURE = ("Too fine to judge from here, so I crop.", "I am not sure, so I crop.", "I need a closer look.")
_FORBIDDEN = "I must judge from this view alone."
_KEPT = "so I keep my first view."
_WORSE, _BETTER = "It is worse than it looked.", "It is better than it looked."
_SAME = ("That confirms my first view.", "So the rating stays.")
REMARKS = (*_SURE, *_UNSURE, _FORBIDDEN, _WORSE, _BETTER, *_SAME)
"""Every sentence of a rationale that says nothing about whether, what or where the damage is."""


@dataclass(frozen=True)
class RationaleShares:
    """How often each kind of example is written; the rest are ideal looks."""

    no_zoom: float = 0.25
    """Share of images judged in the mode without zooming."""
    doubtful_hard: float = 0.2
    """Share of looks at hard images whose first turn is a blind guess and carries no loss."""
    doubtful_easy: float = 0.5
    """The same of easy images, which are more: of the first looks that are learnt, about half then ask for a crop."""
    wrong_crop: float = 0.1
    """Share of looks whose crop misses the damage and carries no loss in the first turn. Where no crop can miss it, a
    doubtful first look takes its place."""


def write_rationale(
    sample: Sample, evidence: Evidence, *, seed: int | Sequence[int], shares: RationaleShares = RationaleShares()
) -> Rationale:
    """One rationale for a synthetic image, the same for the same seed.

    Raises DataError where the degradation is not known, or lies in a region that there are no words for.
    """
    truth = sample.degradation
    if truth is None:
        raise DataError(f"{sample.id}: nobody knows its degradation; rationales are for synthetic images")
    if truth.is_local and truth.bbox_2d not in REGIONS:
        raise DataError(f"{sample.id}: no words for the region {truth.bbox_2d}; wanted one of the nine of the engine")
    rng = np.random.default_rng(seed)
    draw = rng.random()
    if draw < shares.no_zoom:
        return Rationale(sample.id, (_first_look(sample, truth, rng, ending=_FORBIDDEN),), zoom_allowed=False)
    kind = rng.random()
    misses = [region for region in REGIONS if overlap(truth, region) < SHOWN]
    if truth.is_local and misses and kind < shares.wrong_crop:
        return _wrong_crop(sample, truth, rng, region=misses[rng.integers(len(misses))])
    doubtful = shares.doubtful_hard if sample.hard else shares.doubtful_easy
    if kind < shares.wrong_crop + doubtful:
        return _doubtful(sample, truth, evidence, rng)
    if not sample.hard:
        return Rationale(sample.id, (_first_look(sample, truth, rng, ending=_one(rng, _SURE)),))
    region = _region_to_crop(truth, evidence)
    first = _first_look(sample, truth, rng, ending=_one(rng, _UNSURE), crop=region)
    second = second_look(sample, truth, rng, view=region, before=evidence.overview_rating)
    return Rationale(sample.id, (first, replace(second, learn=Learn.NOTHING)))


def _first_look(
    sample: Sample,
    truth: Degradation,
    rng: np.random.Generator,
    *,
    ending: str,
    crop: Box | None = None,
    rating: float | None = None,
    learn: Learn = Learn.ALL,
) -> RationaleTurn:
    """A look at the overview. With `crop`, it asks for that region; else it is the last word."""
    think = f"{finding(truth, rng)} {ending}"
    rated = sample.rating if rating is None else rating
    text = _text(think, truth, box=crop or truth.bbox_2d, rating=rated, tool="crop" if crop else "final")
    return RationaleTurn(WHOLE, text, learn)


def second_look(
    sample: Sample, truth: Degradation, rng: np.random.Generator, *, view: Box, before: float
) -> RationaleTurn:
    """A look at a crop that shows the damage: what it is, and what that does to the rating."""
    change = sample.rating - before
    verdict = _WORSE if change < -0.25 else _BETTER if change > 0.25 else _one(rng, _SAME)
    think = f"{finding(truth, rng, crop=True)} {verdict}"
    return RationaleTurn(view, _text(think, truth, box=truth.bbox_2d, rating=sample.rating, tool="final"))


def _doubtful(sample: Sample, truth: Degradation, evidence: Evidence, rng: np.random.Generator) -> Rationale:
    """First turn blind to class, level and rating, near enough in where to look; only the second turn carries loss."""
    region = _region_to_crop(truth, evidence)
    if rng.random() < _NEAR_SHARE:
        near = [box for box in REGIONS if truth.distortion_class is None or overlap(truth, box) >= SHOWN]
        region = near[rng.integers(len(near))]
    guess = Degradation(str(rng.choice(DISTORTION_CLASSES)), int(rng.integers(1, 6)), region)
    rating = float(rng.uniform(1, 5))
    first = _first_look(sample, guess, rng, ending=_one(rng, _UNSURE), crop=region, rating=rating, learn=Learn.NOTHING)
    return Rationale(sample.id, (first, second_look(sample, truth, rng, view=region, before=rating)))


def _wrong_crop(sample: Sample, truth: Degradation, rng: np.random.Generator, *, region: Box) -> Rationale:
    """The crop misses the damage: the agent says so and stays with its first view."""
    first = _first_look(sample, truth, rng, ending=_one(rng, _UNSURE), crop=region, learn=Learn.NOTHING)
    think = f"{finding(CLEAN, rng, crop=True).removesuffix('.')}, {_KEPT}"
    text = _text(think, truth, box=truth.bbox_2d, rating=sample.rating, tool="final")
    return Rationale(sample.id, (first, RationaleTurn(region, text)))


def _region_to_crop(truth: Degradation, evidence: Evidence) -> Box:
    """The damaged region; of damage everywhere the region where it is worst."""
    if truth.bbox_2d is not None and truth.is_local:
        return truth.bbox_2d
    return REGIONS[int(np.argmin(evidence.region_ratings))]


def finding(truth: Degradation, rng: np.random.Generator, *, crop: bool = False) -> str:
    """One sentence that says what is wrong, where and how strong; of a crop, what it shows."""
    opening = _one(rng, _CROP_OPENINGS if crop else _OPENINGS)
    if truth.distortion_class is None:
        return f"{opening} {_NOTHING}."
    place = _PLACES[REGIONS.index(truth.bbox_2d)] if truth.bbox_2d in REGIONS else "everywhere"
    noun = _NOUNS[truth.distortion_class] + ("" if crop else f" {place}")
    return f"{opening} {noun}{_one(rng, _STRENGTHS).format(severity_word(truth.severity))}"


def _text(think: str, truth: Degradation, *, box: Box | None, rating: float, tool: str) -> str:
    answer = answer_of(
        think,
        distortion_class=truth.distortion_class,
        severity=severity_word(truth.severity),
        bbox_2d=box,
        rating=round(float(np.clip(rating, 1, 5)), 1),
        tool=tool,
    )
    return render(answer)


def _one(rng: np.random.Generator, options: tuple[str, ...]) -> str:
    return options[rng.integers(len(options))]
