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
from loupe.zoom.crop import PixelBox, as_box, crop_region, resized, shown_size
from loupe.zoom.look import Look, box_to_show


@dataclass(frozen=True, slots=True)
class Shown:
    """The region that was asked for, the one that is shown, in pixels of the image, and the size in which it is.

    `again` says that the whole image is shown, whatever `region` is.
    """

    asked: PixelBox
    region: PixelBox
    view: Box
    size: tuple[int, int]
    again: bool = False

    @property
    def pixels(self) -> int:
        """Pixels of the picture as it is shown."""
        return self.size[0] * self.size[1]

    def picture(self, image: Image.Image) -> Image.Image:
        """What is shown of the image."""
        if self.again:
            return image.resize(self.size, Image.Resampling.BICUBIC)
        return resized(image.crop(self.region), self.size)


def answer_to(
    answer: Answer, size: tuple[int, int], policy: CropPolicy, *, look: Look, truth: Box | None, rng: Random
) -> Shown | None:
    """What is shown for the wish in `answer` on an image of `size` (width, height); None where its box cannot be read
    and the policy shows nothing instead.

    `answer.bbox_2d` is as the agent wrote it, in the policy's coordinates. `truth` is the damaged region, None where it
    is unknown or there is none.
    """
    # Whatever is not the agent's own box is in [0, 1].
    ours = replace(policy, coordinates="unit", outside="clamp", zero_is_none=False)
    readable = corners_in_pixels(answer.bbox_2d, *size, policy=policy) is not None
    if readable:
        asked = crop_region(answer.bbox_2d, *size, policy=policy)
    elif look is Look.FORCED and not answer.wants_crop:
        side = sqrt(policy.min_share)
        asked = crop_region(random_box((0.0, 0.0, side, side), rng=rng), *size, policy=ours)
        readable = True
    elif policy.fallback == "central":
        asked = crop_region(None, *size, policy=policy)
    else:
        return None
    if look is Look.WHOLE:
        return Shown(asked, asked, WHOLE, _as_large(shown_size(asked, *size, policy=policy), size), again=True)
    region = asked
    if look not in (Look.DECIDED, Look.FORCED):
        box = box_to_show(look, as_box(asked, *size), truth=truth, rng=rng)
        # The damaged region is brought within the bounds; a control is as large as what was asked for.
        region = crop_region(box, *size, policy=ours) if look is Look.TRUTH else _placed(asked, box, size)
    shown = shown_size(region, *size, policy=policy) if readable else (region[2] - region[0], region[3] - region[1])
    return Shown(asked, region, as_box(region, *size), shown)


def _placed(asked: PixelBox, at: Box, size: tuple[int, int]) -> PixelBox:
    """A region exactly as large as `asked` whose upper left corner is that of the box `at`."""
    wide, high = asked[2] - asked[0], asked[3] - asked[1]
    left = min(max(0, round(at[0] * size[0])), size[0] - wide)
    top = min(max(0, round(at[1] * size[1])), size[1] - high)
    return (left, top, left + wide, top + high)


def _as_large(crop: tuple[int, int], image: tuple[int, int]) -> tuple[int, int]:
    """Size of the whole image in its own aspect and in as many pixels as a picture of the size `crop` has."""
    scale = sqrt(crop[0] * crop[1] / (image[0] * image[1]))
    return max(1, round(image[0] * scale)), max(1, round(image[1] * scale))
