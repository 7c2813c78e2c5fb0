"""Shallow depth of field on purpose: a sharp subject before a background whose blur grows with its distance.

A photographer who opens the aperture blurs the background and damages nothing. An agent that takes every soft pixel for
damage gives such pictures away, so they are made here beside real blur of the same strength: of the whole picture, and
of the subject alone. All three use the lens blur of the degradation engine and one mask, and differ in nothing else.

The scene is a simple one (ours): the subject is an ellipse in the plane of focus, its foot on the ground; behind it the
background begins at `GAP` of the way and is further away the higher it lies in the picture, ahead of the foot it comes
nearer. A pixel's blur is mixed of the two engine levels beside its distance. The subject does not bleed into the
background: what it hides is left out of the blur. What the subject shows is whatever the picture shows there.
"""

import cv2
import numpy as np
import numpy.typing as npt

from loupe.core.errors import DataError
from loupe.core.records import WHOLE, Box, Degradation
from loupe.data.degrade import Pixels, degrade
from loupe.data.distortions.blur import lens

Plane = npt.NDArray[np.float32]
"""Numbers in 0..1, one a pixel (H, W) or one a channel (H, W, 3)."""

GAP = 0.35
"""Distance of the background right behind the subject, as a share of that of the furthest point."""
_EDGE = 1.0
"""Sigma in pixels of the subject's outline, which is as soft as that of a sharp picture."""
_LEAST = 1e-3


def draw_subject(rng: np.random.Generator) -> Box:
    """Box of a subject, normalised: a third to half of the width, half of the height or more, in the lower middle."""
    width, height = rng.uniform(0.34, 0.5), rng.uniform(0.5, 0.64)
    x1, y2 = rng.uniform(0.15, 0.85 - width), rng.uniform(0.86, 0.96)
    return (float(x1), float(y2 - height), float(x1 + width), float(y2))


def shallow_focus(image: Pixels, subject: Box, *, strength: int) -> Pixels:
    """`image` (H, W, 3) uint8 with the ellipse in the box `subject` sharp and all else blurred with its distance.

    `strength` is the engine's level (1..5) of lens blur at the furthest point. Raises DataError for another one.
    """
    _check(strength)
    sharp, mask = _floats(image), subject_mask(image.shape[0], image.shape[1], subject)
    level = distances(image.shape[0], image.shape[1], subject) * strength
    behind = np.zeros_like(sharp)
    for step in range(strength + 1):
        # Weights of a pixel's two neighbouring levels, which sum to 1.
        share = np.clip(1 - np.abs(level - step), 0, 1)[..., None].astype(np.float32)
        behind += share * _background(sharp, mask, step)
    return _pixels(_mixed(sharp, behind, mask))


def blur_whole(image: Pixels, *, strength: int) -> Pixels:
    """`image` out of focus everywhere: the engine's lens blur of level `strength` (1..5). Raises DataError."""
    return degrade(image, Degradation("blur", strength, WHOLE, "lens"), seed=0)


def blur_subject(image: Pixels, subject: Box, *, strength: int) -> Pixels:
    """`image` with the subject out of focus and the background sharp. Raises DataError for a strength outside 1..5."""
    _check(strength)
    sharp, mask = _floats(image), subject_mask(image.shape[0], image.shape[1], subject)
    return _pixels(_mixed(lens(sharp, strength, np.random.default_rng(0)), sharp, mask))


def subject_mask(height: int, width: int, subject: Box) -> Plane:
    """1 on the ellipse inscribed in `subject`, 0 outside of it, with a soft edge (H, W)."""
    rows, columns = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    x1, y1, x2, y2 = subject
    across = (columns[None, :] - (x1 + x2) / 2) / ((x2 - x1) / 2)
    along = (rows[:, None] - (y1 + y2) / 2) / ((y2 - y1) / 2)
    inside = (across**2 + along**2 <= 1).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(inside, (0, 0), _EDGE, borderType=cv2.BORDER_REPLICATE), np.float32)


def distances(height: int, width: int, subject: Box) -> Plane:
    """Distance of the background from the plane of focus (H, W), 0 (at the subject's foot) to 1 (furthest).

    Behind the subject it rises from `GAP` at the foot to 1 at the upper edge; ahead of the foot it is half as steep.
    """
    rows, foot = (np.arange(height, dtype=np.float32) + 0.5) / height, subject[3]
    far = GAP + (1 - GAP) * np.clip(foot - rows, 0, None) / foot
    near = 0.5 * np.clip(rows - foot, 0, None)
    column = np.where(rows <= foot, far, near).astype(np.float32)
    return np.repeat(column[:, None], width, axis=1)


def _background(image: Plane, mask: Plane, level: int) -> Plane:
    """The background blurred at `level`, without what the subject hides (normalised convolution); 0 is sharp."""
    if level == 0:
        return image
    # Not even the soft edge of the subject counts as background, or its colours would reach as far as the blur does.
    seen, rng = np.repeat((mask == 0)[..., None], 3, axis=2).astype(np.float32), np.random.default_rng(0)
    weight = lens(seen, level, rng)
    # Deep inside the subject nothing of the background is seen; the mask covers it.
    blurred = lens(image * seen, level, rng) / np.maximum(weight, _LEAST)
    return np.where(weight > _LEAST, blurred, image).astype(np.float32)


def _mixed(front: Plane, back: Plane, mask: Plane) -> Plane:
    share = mask[..., None]
    return np.asarray(share * front + (1 - share) * back, np.float32)


def _floats(image: Pixels) -> Plane:
    return np.asarray(image.astype(np.float32) / 255, np.float32)


def _pixels(image: Plane) -> Pixels:
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def _check(strength: int) -> None:
    if not 1 <= strength <= 5:
        raise DataError(f"got the strength {strength}; wanted a level of the engine's lens blur, 1 to 5")
