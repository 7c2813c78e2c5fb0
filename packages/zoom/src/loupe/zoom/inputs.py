"""Labelled images of a data folder as inputs of the loop."""

from collections.abc import Iterable
from pathlib import Path

from loupe.core.files import inside
from loupe.core.images import open_image
from loupe.core.records import Sample
from loupe.zoom.loop import LoopInput


def loop_inputs(folder: Path, samples: Iterable[Sample]) -> list[LoopInput]:
    """One input for each sample, keyed by its id; the true region where the damage is local."""
    return [
        LoopInput(
            key=sample.id,
            sample_id=sample.id,
            image=open_image(inside(folder, sample.image)),
            truth=sample.degradation.bbox_2d if sample.degradation and sample.degradation.is_local else None,
        )
        for sample in samples
    ]
