"""The picture of an audit: four panels, each with 95 % intervals. matplotlib is imported by `loupe.bench.plots`.

What each look reaches on hard images; zoom rate over what the overview hides; what undamaged images lose by a forced
crop, by shallow focus and by real blur; and how often these are called blur.
"""

# The stubs of matplotlib leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loupe.bench.plots import ACCENT, INK, MUTED, new_figure, svg_uri
from loupe.core.numbers import count, fixed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Bar = tuple[str, Sequence[float | None]]
"""A word and [value, low, high]; None for what is not known."""
LOOKS = {
    "decided": "own crop",
    "random": "random",
    "centre": "centre",
    "whole": "no crop,\nequal tokens",
    "never": "no zoom",
    "truth": "true\nregion",
}
KINDS = {
    "untouched": "untouched",
    "shallow": "shallow focus",
    "subject": "subject blurred",
    "whole": "all blurred",
}


def audit_figure(audit: Mapping[str, Any]) -> str:
    """The picture of what audit.json holds, as a data URI."""
    figure, axes = new_figure(10.2, 6.2, rows=2, columns=2)
    subset = "hard" if any(_known(looks["hard"]["srcc"]) for looks in audit["looks"].values()) else "all"
    looks = [(LOOKS[look], found[subset]["srcc"]) for look, found in audit["looks"].items() if look in LOOKS]
    _marks(axes[0], looks, title=f"SRCC on {subset} images", first=True)
    rates = [(_bin(item), item["zoom_rate"]) for item in audit["zoom_rate"]]
    _marks(axes[1], rates, title="zoom rate by the points that the overview hides", share=True)
    focus = audit["focus"]
    drops = [(words, focus[kind]["rating_drop"]) for kind, words in KINDS.items() if kind != "untouched"]
    drops.insert(0, ("forced crop", audit["forced_crop_drop"]))
    _marks(axes[2], drops, title="rating lost from the undamaged image, points", zero=True)
    blurs = [(words, focus[kind]["called_blur"]) for kind, words in KINDS.items()]
    _marks(axes[3], blurs, title="share called blur", share=True)
    return svg_uri(figure)


def _marks(
    axis: "Axes",
    bars: Sequence[Bar],
    *,
    title: str,
    share: bool = False,
    zero: bool = False,
    first: bool = False,
) -> None:
    """One mark a word; the first one in the accent colour where `first` says so."""
    if zero:
        axis.axhline(0.0, color=MUTED, linewidth=0.8)
    for at, (_, bounds) in enumerate(bars):
        if not _known(bounds):
            continue
        value, low, high = (math.nan if bound is None else float(bound) for bound in bounds)
        colour = MUTED if first and at else ACCENT
        axis.plot([at, at], [low, high], color=colour, linewidth=1.8, solid_capstyle="butt")
        axis.plot([at], [value], marker="o", markersize=6, color=colour, linestyle="none")
        axis.annotate(fixed(value, 2), (at, value), (7, 0), textcoords="offset points", fontsize=8, va="center")
    axis.set_xticks(range(len(bars)), [word for word, _ in bars])
    axis.set(xlim=(-0.5, max(0.5, len(bars) - 0.3)))
    if share:
        axis.set(ylim=(-0.03, 1.03))
    if not any(_known(bounds) for _, bounds in bars):
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", fontsize=9, color=MUTED)
    axis.set_title(title, fontsize=9.5, color=INK, loc="left")


def _bin(item: Mapping[str, Any]) -> str:
    low, high = item["from"], item["to"]
    images = f"\nn = {count(item['n'])}"
    if low is None:
        return f"below {fixed(high, 2) if high else '0'}{images}"
    return (f"over {fixed(low, 2)}" if high is None else f"{fixed(low, 2)}–{fixed(high, 2)}") + images


def _known(bounds: Sequence[float | None]) -> bool:
    return bounds[0] is not None and math.isfinite(bounds[0])
