"""What the truth teacher says: sections and an answer that are true of a synthetic picture by construction. Ours."""

import json
from collections.abc import Sequence

import numpy as np

from loupe.core import numbers
from loupe.core.box import thirds
from loupe.core.records import DISTORTION_CLASSES, WHOLE, Box, Degradation, severity_word
from loupe.data.rationale import finding

_WISHES = {
    "noise": ("smooth, even surfaces", "calm flat areas with the texture left in"),
    "blur": ("clean edges and fine texture", "detail that holds up to a close look"),
    "compression": ("unbroken gradients and clean edges", "continuous tones"),
    "darken": ("open shadows and a natural exposure", "more light, with detail in the shadows"),
    "brighten": ("full tones in the lights", "a calmer exposure that keeps the lights"),
    "pixelate": ("fine, unbroken detail", "natural edges at full resolution"),
}
_ISSUES = {
    "noise": "{strength} noise {place}",
    "blur": "{strength} blur {place}",
    "compression": "{strength} compression blocks {place}",
    "darken": "{strength} darkening {place}",
    "brighten": "{strength} brightening {place}",
    "pixelate": "{strength} pixelation {place}",
}
_QUALITY = ("very poor", "poor", "fair", "good", "excellent")


def first_sections(truth: Degradation, rng: np.random.Generator, *, rating: float, crop: Box | None) -> list[str]:
    """Four texts for a look at the whole picture; with `crop` it is a hard case."""
    if crop is None:
        decision = _one(
            rng,
            f"Easy case: the whole picture shows all there is to judge, so I finish with {numbers.rating(rating)}.",
            f"This is an easy case; nothing is left to look for, and {numbers.rating(rating)} is my rating.",
        )
    else:
        decision = _one(
            rng,
            f"Hard case: from here I cannot tell how strong it is {where(crop)}, so I crop that region.",
            f"This is a hard case; the region {where(crop)} will settle how strong it is, so I look there.",
        )
    quality = _one(rng, f"The quality is {quality_word(rating)}.", f"All in all it is {quality_word(rating)}.")
    return [f"{finding(truth, rng)} {quality}", _directions(truth, rng), _issues(truth, rng), decision]


def later_sections(truth: Degradation, rng: np.random.Generator, *, rating: float, before: float) -> list[str]:
    """Four texts for a look at a crop of the damage."""
    change = rating - before
    verdict = "worse than it looked" if change < -0.25 else "better than it looked" if change > 0.25 else "as it looked"
    decision = f"I was not sure before and said {numbers.rating(before)}; it is {verdict}: {numbers.rating(rating)}."
    return [finding(truth, rng, crop=True), _directions(truth, rng), _issues(truth, rng), decision]


def completion(texts: Sequence[str], labels: Sequence[str], *, body: str) -> str:
    """The texts under their labels, and an answer."""
    think = "\n".join(f"{label}: {text}" for label, text in zip(labels, texts, strict=True))
    return f"<think>\n{think}\n</think>\n<answer>\n{body}\n</answer>"


def answer_body(truth: Degradation, *, box: Box | None, rating: float, tool: str, asks: Sequence[str]) -> str:
    """JSON of an answer with the keys that the protocol asks for, boxes and ratings with two decimals at most."""
    corners = [round(side, 2) for side in box or (0.0, 0.0, 0.0, 0.0)]
    values = {
        "distortion_class": json.dumps(truth.distortion_class),
        "severity": json.dumps(severity_word(truth.severity)),
        "bbox_2d": json.dumps(corners) if box is not None or "distortion_class" not in asks else "null",
        "rating": numbers.rating(min(5.0, max(1.0, rating))),
        "tool": json.dumps(tool),
    }
    return "{" + ", ".join(f'"{key}": {values[key]}' for key in values if key in asks) + "}"


def guess(rng: np.random.Generator) -> tuple[Degradation, Box, float]:
    """Damage, box and rating of someone who sees nothing."""
    x, y = rng.uniform(0, 0.5, 2)
    damage = Degradation(str(rng.choice(DISTORTION_CLASSES)), int(rng.integers(1, 6)), WHOLE)
    return damage, (float(x), float(y), float(x) + 0.5, float(y) + 0.5), float(rng.uniform(1, 5))


def where(box: Box | None) -> str:
    """Where a region lies, in words: "at the top left", "all over" for the whole picture."""
    if box is None or box == WHOLE:
        return "all over"
    row, column = thirds(box)
    return "in the middle" if (row, column) == ("middle", "centre") else f"at the {row} {column}"


def quality_word(rating: float) -> str:
    """Word for a rating on 1..5."""
    return _QUALITY[min(4, max(0, round(rating) - 1))]


def _directions(truth: Degradation, rng: np.random.Generator) -> str:
    if truth.distortion_class is None:
        return _one(rng, "Keep every region as it is.", "The picture holds up everywhere and wants no change.")
    wish = _one(rng, *_WISHES[truth.distortion_class])
    return _one(rng, f"The picture wants {wish} {where(truth.bbox_2d)}.", f"Aim for {wish} {where(truth.bbox_2d)}.")


def _issues(truth: Degradation, rng: np.random.Generator) -> str:
    if truth.distortion_class is None:
        return _one(rng, "Nothing stands out that would have to go.", "There is no flaw to name in any region.")
    issue = _ISSUES[truth.distortion_class].format(strength=severity_word(truth.severity), place=where(truth.bbox_2d))
    return _one(rng, f"{issue.capitalize()}.", f"The picture suffers from {issue}.")


def _one(rng: np.random.Generator, *options: str) -> str:
    return options[int(rng.integers(len(options)))]
