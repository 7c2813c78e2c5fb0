"""Pristine images out of nothing: dead leaves with the variety of photographs.

Opaque shapes that cover one another, with sizes after a power law, give the edges and scale invariance of natural
images (Lee, Mumford, Huang 2001). Plain dead leaves do not teach an agent what an ordinary exposure or a soft but sound
photograph looks like, so each image also draws (ours): textured and shaded leaves, smooth skies, soft focus, exposure,
contrast, colour cast and the grain of a good sensor. Images are drawn larger and scaled down, so that edges are as
sharp as in a photograph that was scaled down.
"""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from loupe.data.degrade import Pixels

_Float = npt.NDArray[np.floating[Any]]
_OVERSAMPLE = 2
_GREY_SHARE = 0.15
_MIDDLE = (0.43, 0.05)
"""Mean and spread of the mean tone of a well-exposed image, 0 to 1; windows of photographs have about these."""


def dead_leaves(seed: int, *, size: int = 224) -> Pixels:
    """A pristine image (size, size, 3) uint8; the same seed gives the same image."""
    rng = np.random.default_rng(seed)
    side = size * _OVERSAMPLE
    palette = _palette(rng)
    canvas = _background(rng, side, palette)
    textures = [_cloud(rng, side, exponent=rng.uniform(0.6, 2.2)) for _ in range(3)]
    for radius in _radii(rng, side):
        _draw_leaf(canvas, rng, radius, palette=palette, textures=textures)
    canvas = _soften_somewhere(canvas, rng, side)
    image = np.asarray(cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA), np.float32)
    return np.round(np.clip(_develop(image, rng), 0, 1) * 255).astype(np.uint8)


def _palette(rng: np.random.Generator) -> _Float:
    """Colours (n, 3) around a few hues, mostly of low saturation as in photographs."""
    count = int(rng.integers(3, 9))
    hue = (rng.uniform(0, 360) + rng.normal(0, rng.uniform(10, 120), count)) % 360
    saturation = rng.beta(1.1, 2.8, count)
    value = rng.beta(1.4, 1.4, count)
    hsv = np.stack([hue, saturation, value], axis=-1).astype(np.float32)[None]
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0]


def _background(rng: np.random.Generator, side: int, palette: _Float) -> _Float:
    """A gradient between two colours, sometimes with clouds."""
    top, bottom = palette[rng.integers(len(palette), size=2)]
    ramp = np.linspace(0, 1, side, dtype=np.float32)[:, None, None]
    canvas = np.broadcast_to(top + (bottom - top) * ramp, (side, side, 3)).copy()
    if rng.random() < 0.7:
        canvas += rng.uniform(0.05, 0.35) * _cloud(rng, side, exponent=rng.uniform(1.0, 2.4))[..., None]
    return canvas


def _radii(rng: np.random.Generator, side: int) -> npt.NDArray[np.float64]:
    """Radii after the density r^-3 between two limits; in half of the images largest first (small things in front)."""
    count = int(rng.choice([8, 30, 90, 250]) * rng.uniform(0.6, 1.4))
    smallest, largest = side * rng.uniform(0.012, 0.09), side * rng.uniform(0.2, 0.6)
    uniform = rng.random(count)
    radii = 1 / np.sqrt(uniform / smallest**2 + (1 - uniform) / largest**2)
    return np.sort(radii)[::-1] if rng.random() < 0.5 else radii


def _draw_leaf(
    canvas: _Float, rng: np.random.Generator, radius: float, *, palette: _Float, textures: list[_Float]
) -> None:
    side = len(canvas)
    centre = rng.uniform(0, side, 2)
    low = np.maximum(np.floor(centre - 1.5 * radius).astype(int), 0)
    high = np.minimum(np.ceil(centre + 1.5 * radius).astype(int) + 1, side)
    window = canvas[low[1] : high[1], low[0] : high[0]]
    if window.size == 0:
        return
    mask = _leaf_mask(rng, window.shape[:2], centre - low, radius)
    colour = palette[rng.integers(len(palette))] + rng.normal(0, 0.06, 3).astype(np.float32)
    leaf = np.broadcast_to(colour, window.shape).astype(np.float32).copy()
    leaf += _shading(rng, window.shape[:2])[..., None]
    if rng.random() < 0.65:
        leaf += rng.uniform(0.02, 0.3) * _patch(rng, textures, window.shape[:2])[..., None]
    if rng.random() < 0.12:
        leaf += rng.uniform(0.05, 0.3) * _stripes(rng, window.shape[:2])[..., None]
    np.copyto(window, leaf, where=mask[..., None])


def _leaf_mask(
    rng: np.random.Generator, shape: tuple[int, int], centre: npt.NDArray[np.float64], radius: float
) -> npt.NDArray[np.bool_]:
    canvas = np.zeros(shape, np.uint8)
    angle = rng.uniform(0, 360)
    kind = rng.random()
    if kind < 0.45:
        axes = (max(1, round(radius)), max(1, round(radius * rng.uniform(0.25, 1))))
        cv2.ellipse(canvas, (round(centre[0]), round(centre[1])), axes, angle, 0, 360, 1, -1)
    else:
        corners = 4 if kind < 0.75 else int(rng.integers(3, 8))
        turn = np.sort(rng.uniform(0, 2 * np.pi, corners)) if corners != 4 else np.pi / 4 + np.arange(4) * np.pi / 2
        stretch = rng.uniform(0.15, 1) if corners == 4 else 1.0
        points = radius * np.stack([np.cos(turn), stretch * np.sin(turn)], axis=-1)
        cos, sin = np.cos(np.radians(angle)), np.sin(np.radians(angle))
        points = points @ np.array([[cos, sin], [-sin, cos]]) + centre
        cv2.fillPoly(canvas, [np.round(points).astype(np.int32)], 1)
    return canvas.astype(bool)


def _shading(rng: np.random.Generator, shape: tuple[int, int]) -> _Float:
    """A linear ramp of light across a leaf."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    slope = rng.normal(0, 0.15, 2)
    return (slope[0] * (rows / shape[0] - 0.5) + slope[1] * (columns / shape[1] - 0.5)).astype(np.float32)


def _patch(rng: np.random.Generator, textures: list[_Float], shape: tuple[int, int]) -> _Float:
    """A piece of one of the image's square textures, as large as the leaf."""
    texture = textures[rng.integers(len(textures))]
    row, column = (int(rng.integers(len(texture) - length + 1)) for length in shape)
    return texture[row : row + shape[0], column : column + shape[1]]


def _stripes(rng: np.random.Generator, shape: tuple[int, int]) -> _Float:
    """Regular stripes: fabric, bricks, blinds, print."""
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 40)
    wave = np.sin(2 * np.pi * (columns * np.cos(angle) + rows * np.sin(angle)) / period)
    return (np.sign(wave) if rng.random() < 0.5 else wave).astype(np.float32)


def _cloud(rng: np.random.Generator, side: int, *, exponent: float) -> _Float:
    """Noise (side, side) with amplitude spectrum f^-exponent, mean 0 and standard deviation 1."""
    spectrum = np.fft.rfft2(rng.standard_normal((side, side), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    frequency[0, 0] = np.inf
    field = np.fft.irfft2(spectrum / frequency**exponent, s=(side, side))
    return (field / (field.std() + 1e-9)).astype(np.float32)


def _soften_somewhere(canvas: _Float, rng: np.random.Generator, side: int) -> _Float:
    """Shallow depth of field in a part of the images: a smooth area is out of focus, and the image is sound anyhow."""
    if rng.random() < 0.7:
        return canvas
    soft = cv2.GaussianBlur(canvas, (0, 0), rng.uniform(2, 8))
    weight = _cloud(rng, side, exponent=3.0)[..., None]
    weight = 1 / (1 + np.exp(-6 * (weight - rng.uniform(-0.5, 1.0))))
    return canvas + (soft - canvas) * weight.astype(np.float32)


def _develop(image: _Float, rng: np.random.Generator) -> _Float:
    """Lens softness, colour cast or none at all, exposure, and the grain of a good sensor."""
    if rng.random() < 0.4:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 0.6)), np.float32)
    if rng.random() < _GREY_SHARE:
        image = np.asarray(np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=-1), np.float32)
    else:
        image = image * (1 + rng.normal(0, 0.05, 3)).astype(np.float32)
    image = _expose(image, rng)
    grain = rng.uniform(0, 0.01) * (rng.random() < 0.6)
    return image + grain * rng.standard_normal(image.shape, dtype=np.float32)


def _expose(image: _Float, rng: np.random.Generator) -> _Float:
    """Tones as a photographer leaves them: shadows near black, lights near white, the middle near the middle.

    Without this nobody could tell a sound image from a slightly darkened one.
    """
    low, high = np.percentile(image.mean(axis=-1), (1, 99))
    bottom, top = rng.uniform(0, 0.16), rng.uniform(0.75, 1.0)
    image = np.clip(bottom + (image - low) / (high - low + 1e-3) * (top - bottom), 0, 1)
    return image ** np.clip(np.log(rng.normal(*_MIDDLE)) / np.log(image.mean() + 1e-3), 0.5, 2.0)
