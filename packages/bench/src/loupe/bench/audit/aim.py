"""Does the crop hit? Overlap (IoU) of the first crop with the damaged region, on hard locally damaged images, beside
random crops of the same size on the same images."""

import math

from loupe.bench.audit.material import Material
from loupe.bench.audit.rows import ABOVE_ZERO, Figure, Row
from loupe.bench.predictions import Prediction
from loupe.core.box import iou
from loupe.zoom.look import Look

SECTION = "Does the crop hit the damage?"
REASON = "its boxes do not follow the damage: it learnt what a box looks like, not where to put it"


def aim(material: Material) -> list[Row]:
    """IoU of the agent's own crop less that of random ones, and both plainly; images without a crop are left out."""
    own, chance = (material.of(look.value, keep=_hard_and_local) for look in (Look.DECIDED, Look.RANDOM))
    shown = sum(item.episode.zoomed for item in own[0]) if own else 0
    gain = Figure("IoU", material.change(own, chance, crop_iou), ABOVE_ZERO)
    plain = (
        Figure("own crop", material.mean(own, crop_iou), signed=False),
        Figure("random crop", material.mean(chance, crop_iou), signed=False),
        Figure("share of own crops that miss it wholly", material.mean(own, _missed), signed=False),
    )
    name = "own crop less random crops, hard local images"
    return [
        Row(SECTION, name, shown, (gain,), REASON, seeds=len(chance)),
        Row(SECTION, "IoU with the true region, hard local images", shown, plain, "", seeds=len(chance)),
    ]


def crop_iou(item: Prediction) -> float:
    """IoU of the first crop with the damaged region, 0..1, higher is better; NaN without a crop or a region."""
    damage = item.sample.degradation
    if damage is None or damage.bbox_2d is None or not item.episode.zoomed:
        return math.nan
    return iou(item.episode.turns[1].view, damage.bbox_2d)


def _missed(item: Prediction) -> float:
    return float(crop_iou(item) == 0.0) if math.isfinite(crop_iou(item)) else math.nan


def _hard_and_local(item: Prediction) -> bool:
    damage = item.sample.degradation
    return item.sample.hard is True and damage is not None and damage.is_local
