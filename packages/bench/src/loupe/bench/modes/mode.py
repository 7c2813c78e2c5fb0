"""The ways to judge that are set side by side, from the cheapest to the dearest."""

from dataclasses import dataclass

from loupe.bench.predictions import FAST
from loupe.zoom.look import Look


@dataclass(frozen=True, slots=True)
class Mode:
    """One way to judge: under this look (or `FAST`), so many times an image, with the mean as the rating."""

    name: str
    words: str
    look: str
    attempts: int = 1


def modes(samples: int) -> list[Mode]:
    """The four of them; the last judges each image `samples` times."""
    return [
        Mode("fast", "fast", FAST),
        Mode("reasoning", "reasoning, no zoom", Look.NEVER.value),
        Mode("zoom", "zoom as decided", Look.DECIDED.value),
        Mode("zoom-samples", f"zoom, mean of {samples}", Look.DECIDED.value, samples),
    ]
