"""What a wish for a crop comes to: the region that is shown, and its pixels, or nothing.

The agent's own wish, and what a control puts in its place, are both brought within the bounds of the protocol's crop.
"""

from dataclasses import dataclass, replace
from math import sqrt
from random import Random

from PIL import Image

from loupe.core.answer import Answer
from loupe.core.box import random_box
from loupe.core.crop_policy import CropPolicy
from loupe.core.records import WHOLE, Box
from loupe.zoom.box import corners_in_pixels
from loupe.zoom.crop import PixelBox, as_box, crop_region, show
from loupe.zoom.look import Look, box_to_show


@dataclass(frozen=True, slots=True)
class Shown:
    """The region that was asked for, the one that is shown, in pixels of the image, and the picture as it is shown."""

    asked: PixelBox
    region: PixelBox
    view: Box
    image: Image.Image

    @property
    def pixels(self) -> int:
        """Pixels of the picture as it is shown."""
        return self.image.width * self.image.height


def answer_to(
    answer: Answer, image: Image.Image, policy: CropPolicy, *, look: Look, truth: Box | None, rng: Random
) -> Shown | None:
    """What is shown for the wish in `answer`; None where its box cannot be read and the policy shows nothing instead.

    `answer.bbox_2d` is as the agent wrote it, in the policy's coordinates. `truth` is the damaged region, None where it
    is unknown or there is none.
    """
    size = image.size
    # Whatever is not the agent's own box is in [0, 1].
    ours = replace(policy, coordinates="unit", outside="clamp", zero_is_none=False)
    if corners_in_pixels(answer.bbox_2d, *size, policy=policy) is not None:
        asked = crop_region(answer.bbox_2d, *size, policy=policy)
        readable = True
    elif look is Look.FORCED and not answer.wants_crop:
        side = sqrt(policy.min_share)
        asked = crop_region(random_box((0.0, 0.0, side, side), rng=rng), *size, policy=ours)
        readable = True
    elif policy.fallback == "central":
        asked = crop_region(None, *size, policy=policy)
        readable = False
    else:
        return None
    if look in (Look.DECIDED, Look.FORCED):
        shown = show(image, asked, policy=policy) if readable else image.crop(asked)
        return Shown(asked, asked, as_box(asked, *size), shown)
    box = box_to_show(look, as_box(asked, *size), truth=truth, rng=rng)
    if look is Look.WHOLE:
        return Shown(asked, asked, WHOLE, _again(image, show(image, asked, policy=policy).size))
    region = crop_region(box, *size, policy=ours)
    return Shown(asked, region, as_box(region, *size), show(image, region, policy=policy))


def _again(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The whole image in its own aspect and in as many pixels as a picture of this size has."""
    scale = sqrt(size[0] * size[1] / (image.width * image.height))
    smaller = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(smaller, Image.Resampling.BICUBIC)
