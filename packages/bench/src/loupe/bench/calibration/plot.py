"""The reliability picture of calibrated intervals: wanted against measured coverage, and coverage by range.

matplotlib is imported by `loupe.bench.plots`.
"""

# The stubs of matplotlib leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loupe.bench.plots import ACCENT, INK, MUTED, PALETTE, new_figure
from loupe.core.numbers import count, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_STYLES = {"absolute": (ACCENT, "o", "rating points"), "scaled": (PALETTE[1], "s", "scaled by spread")}
_DPI = 130


def reliability_png(data: Mapping[str, Any]) -> bytes:
    """The picture of what coverage.json holds, as PNG: at each level both kinds of interval with the chosen way to
    count references, and at the chosen level the coverage by range of the label and of the rating."""
    figure, axes = new_figure(9.6, 3.9, columns=2)
    _reliability(axes[0], data)
    _ranges(axes[1], data)
    return png(figure)


def png(figure: "Figure") -> bytes:
    """The figure as a PNG file on white."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, facecolor="white", metadata={"Software": None})
    return buffer.getvalue()


def _reliability(axis: "Axes", data: Mapping[str, Any]) -> None:
    axis.plot([0, 1], [0, 1], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    chosen = data["chosen"]
    for shift, (kind, (colour, mark, words)) in enumerate(_STYLES.items()):
        rows = [row for row in data["levels"] if row["nonconformity"] == kind and row["by"] == chosen["by"]]
        if not rows:
            continue
        # A hair's breadth apart, or the bars of the two would hide each other.
        wanted = [1 - row["alpha"] + (shift - 0.5) * 0.008 for row in rows]
        _bars(axis, wanted, [row["coverage"] for row in rows], colour=colour, mark=mark, label=words)
    axis.set(xlabel="coverage wanted", ylabel="coverage measured", xlim=(0.45, 1.0), ylim=(0.4, 1.0))
    for scale in (axis.xaxis, axis.yaxis):
        scale.set_major_formatter(lambda value, _: percent(value, 0))
        scale.label.set(fontsize=8.5, color=INK)
    title = f"{count(data['n'])} images of {count(data['references'])} references"
    axis.set_title(title, fontsize=9, color=INK, loc="left")
    axis.legend(fontsize=8, frameon=False, loc="upper left")


def _ranges(axis: "Axes", data: Mapping[str, Any]) -> None:
    styles = (("label", ACCENT, "o", "by label"), ("rating", PALETTE[3], "D", "by rating"))
    for shift, (key, colour, mark, words) in enumerate(styles):
        parts = data["by"][key]
        places = [place + (shift - 0.5) * 0.18 for place in range(len(parts))]
        _bars(axis, places, [part["coverage"] for part in parts], colour=colour, mark=mark, label=words)
    parts = data["by"]["label"]
    axis.axhline(data["wanted"], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    counts = zip(parts, data["by"]["rating"], strict=True)
    axis.set_xticks(
        range(len(parts)),
        [f"{a['low']:.0f}–{a['high']:.0f}\nn {count(a['n'])}, {count(b['n'])}" for a, b in counts],
    )
    held = [part["coverage"][0] for rows in data["by"].values() for part in rows]
    lowest = min((share for share in held if share is not None), default=1.0)
    axis.set(xlim=(-0.5, len(parts) - 0.5), ylim=(min(0.45, lowest - 0.05), 1.02))
    axis.set_xlabel("range of the label or the rating")
    axis.xaxis.label.set(fontsize=8.5, color=INK)
    axis.yaxis.set_major_formatter(lambda value, _: percent(value, 0))
    title = f"coverage by range; {percent(data['wanted'], 0)} wanted over all"
    axis.set_title(title, fontsize=9, color=INK, loc="left")
    axis.legend(fontsize=8, frameon=False, loc="lower left")


def _bars(
    axis: "Axes",
    places: Sequence[float],
    cells: Sequence[Sequence[float | None]],
    *,
    colour: str,
    mark: str,
    label: str,
) -> None:
    """A mark a cell of [value, low, high], with its interval where that is known."""
    known = [(place, cell) for place, cell in zip(places, cells, strict=True) if cell[0] is not None]
    values = [float(cell[0] or 0.0) for _, cell in known]
    ends = [[math.nan if end is None else float(end) for end in cell[1:]] for _, cell in known]
    # A percentile interval need not hold its figure, and a bar has no negative length.
    low = [max(value - end[0], 0.0) for value, end in zip(values, ends, strict=True)]
    high = [max(end[1] - value, 0.0) for value, end in zip(values, ends, strict=True)]
    axis.errorbar(
        [place for place, _ in known],
        values,
        yerr=[low, high],
        color=colour,
        fmt=mark,
        markersize=4,
        linewidth=0,
        elinewidth=1,
        label=label,
    )
