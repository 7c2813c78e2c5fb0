"""Measurements in words, for a judge that reads."""

from collections.abc import Sequence

from loupe.core import numbers
from loupe.core.box import thirds
from loupe.core.records import Sample, severity_word
from loupe.sft.rationales.hints import Hints, Region

SCALES = {
    "brightness": "mean grey level, 0 black to 255 white",
    "contrast": "spread of grey levels, 0 flat to 127",
    "colourfulness": "0 grey, 33 moderate, 82 high",
    "sharpness": "0 blurred to 1 sharp",
    "blockiness": "1 no grid of 8 pixels, from 1.2 on visible",
    "noise": "grey levels, 0 none, from 8 on visible; fine texture counts too",
}
_PLACES = {"sharpness": 2, "blockiness": 2}


def hints_text(regions: Sequence[Region]) -> str:
    """A line a measurement: its scale, the whole picture, and where it is lowest and highest."""
    whole, rest = regions[0], regions[1:]
    lines: list[str] = []
    for name, scale in SCALES.items():
        line = f"- {name} ({scale}): {_shown(name, whole.hints)} in the whole picture"
        if rest:
            ordered = sorted(rest, key=lambda region: getattr(region.hints, name))
            low, high = ordered[0], ordered[-1]
            line += f"; lowest {_shown(name, low.hints)} at the {place(low)}"
            line += f", highest {_shown(name, high.hints)} at the {place(high)}"
        lines.append(line)
    return "\n".join(lines)


def label_text(sample: Sample) -> str:
    """What is known of the damage, in a line; empty where nothing is."""
    truth = sample.degradation
    if truth is None:
        return ""
    if truth.distortion_class is None:
        return "Known label: nothing was done to this picture."
    region = "a part" if truth.is_local else "the whole"
    return f"Known label: {truth.distortion_class}, {severity_word(truth.severity)}, in {region} of the picture."


def place(region: Region) -> str:
    """Where the centre of a region lies: "top left", "middle centre"."""
    return " ".join(thirds(region.box))


def _shown(name: str, hints: Hints) -> str:
    return numbers.fixed(getattr(hints, name), _PLACES.get(name, 0))
