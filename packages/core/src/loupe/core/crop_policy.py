"""How a box that an agent wrote becomes a crop, as data: a part of every protocol.

`loupe.zoom.box` and `loupe.zoom.crop` carry it out. Two presets: `zoom-iqa` is what the released Zoom-IQA evaluator
does, to the pixel and with its quirks; `loupe` is ours and differs where those quirks hide or distort what was asked.
"""

from dataclasses import dataclass

from loupe.core.errors import ConfigError

_CHOICES = {
    "border": ("shift", "clip"),
    "resize": ("none", "fit", "factor"),
    "fallback": ("central", "reject", "keep-rating"),
    "coordinates": ("unit", "pixels", "thousand"),
    "outside": ("clamp", "pixels", "unreadable"),
}


@dataclass(frozen=True)
class CropPolicy:
    """Bounds and form of a crop. Where the bounds contradict each other on a tiny image, the lower ones win."""

    min_share: float = 0.25
    """Smallest share of the image's area that a crop covers; a smaller box is grown about its centre."""
    max_share: float = 0.75
    """Largest share of the image's area that a crop covers; a larger box is shrunk about its centre."""
    min_side: int = 28
    """Shortest side of a crop in pixels, or the whole side of an image that is smaller."""
    border: str = "shift"
    """What is done with a grown box that leaves the image: shift moves it inside, so that min_share holds everywhere;
    clip cuts it off, after the evaluator of Zoom-IQA has rounded its corners down."""
    resize: str = "none"
    """Size of the crop that is shown: none keeps its pixels; fit enlarges it until it fills the image's width or
    height, in its own aspect; factor multiplies both sides. Where a fallback is shown, it is not resized."""
    factor: float = 2.0
    """What `resize: factor` multiplies by."""
    fallback: str = "keep-rating"
    """What a wish for a crop comes to whose box cannot be read: central shows the middle half of each side; reject
    makes the answer unusable; keep-rating ends the episode with the rating that came with the wish."""
    coordinates: str = "unit"
    """What an agent's numbers count: unit is 0..1 of each side; pixels are those of the resized image that the model
    sees, as Qwen2.5-VL speaks; thousand is 0..1000 of each side, as Qwen3-VL speaks."""
    outside: str = "clamp"
    """What numbers off the image come to: clamp moves them to its border; pixels takes the whole box for pixels of the
    image (with `coordinates: unit` alone); unreadable leaves no box."""
    zero_is_none: bool = False
    """Whether a box of four zeros names no region, as Zoom-IQA's agents write where they finish."""
    seen_multiple: int = 28
    """With `coordinates: pixels`, what the sides of the resized image are multiples of."""
    seen_min_pixels: int = 3_136
    """The same: pixels that the resized image has at least; the `min_pixels` of the model's processor."""
    seen_max_pixels: int = 12_845_056
    """The same: pixels that it has at most; the `max_pixels` of the model's processor."""

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if not 0.0 < self.min_share <= self.max_share <= 1.0:
            raise ConfigError(
                f"crop: got min_share {self.min_share} and max_share {self.max_share}; "
                "wanted 0 < min_share <= max_share <= 1: change one of them"
            )
        if self.min_side < 1:
            raise ConfigError(f"crop: got min_side {self.min_side}; wanted at least 1 pixel")
        if not 0.0 < self.factor <= 8.0:
            raise ConfigError(f"crop: got factor {self.factor}; wanted more than 0 and at most 8")
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"crop: got {name} {getattr(self, name)!r}; wanted one of {', '.join(known)}")
        if self.outside == "pixels" and self.coordinates != "unit":
            raise ConfigError(f"crop: outside 'pixels' goes with coordinates 'unit', got {self.coordinates!r}")
        if self.seen_multiple < 1 or not 0 < self.seen_min_pixels <= self.seen_max_pixels:
            raise ConfigError(
                f"crop: got seen_multiple {self.seen_multiple}, seen_min_pixels {self.seen_min_pixels} and "
                f"seen_max_pixels {self.seen_max_pixels}; wanted 1 or more, and 0 < the least <= the most"
            )


PRESETS = {
    "loupe": CropPolicy(),
    "zoom-iqa": CropPolicy(border="clip", resize="fit", fallback="central", outside="pixels", zero_is_none=True),
}
"""Policies by name."""
