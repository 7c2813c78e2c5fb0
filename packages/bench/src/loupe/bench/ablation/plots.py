"""The two pictures of an ablation: a forest plot of the paired differences, and the learning curves of all rows."""

# The stubs of matplotlib leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loupe.bench.ablation.figures import IMAGE_METRICS, Metric
from loupe.bench.ablation.learning import CURVES
from loupe.bench.plots import ACCENT, INK, MUTED, PALETTE, new_figure, plain, smooth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STROKES = ("-", "--", ":", "-.")
"""With six colours, 24 rows can be told apart."""
_COLUMNS = 3

Row = Mapping[str, Any]


def forest(rows: Sequence[Row], *, reference: str) -> "Figure":
    """A panel a metric and a line a row: its difference to the reference row with the interval, and the zero line.

    `rows` are those of ablation.json without the reference. Dark where the interval leaves out zero, grey elsewhere.
    """
    panels = math.ceil(len(IMAGE_METRICS) / _COLUMNS)
    height = panels * (0.9 + 0.24 * max(1, len(rows)))
    figure, axes = new_figure(10.4, height, rows=panels, columns=_COLUMNS)
    for place, (axis, metric) in enumerate(zip(axes, IMAGE_METRICS, strict=True)):
        _forest_panel(axis, rows, metric, named=place % _COLUMNS == 0)
    figure.suptitle(f"difference to {plain(reference)}", fontsize=9, color=INK, x=0.01, ha="left")
    return figure


def curves(series: Mapping[str, Mapping[str, Sequence[Sequence[float]]]], *, rows: Sequence[str]) -> "Figure":
    """A panel a metric, a stroke a row: running means of points [step, mean over seeds]; one legend for all panels."""
    known = {metric: series[metric] for metric in CURVES if series.get(metric)}
    panels = math.ceil(len(known) / _COLUMNS)
    legend_lines = math.ceil(len(rows) / 4)
    figure, axes = new_figure(10.4, panels * 2.4 + 0.3 * legend_lines, rows=panels, columns=_COLUMNS)
    for axis in axes[len(known) :]:
        axis.set_visible(False)
    for axis, (metric, by_row) in zip(axes, known.items(), strict=False):
        for name, points in by_row.items():
            values = smooth([value for _, value in points])
            axis.plot([step for step, _ in points], values, linewidth=1.5, **_stroke(rows.index(name)))
        axis.set_title(CURVES[metric], fontsize=9, color=INK, loc="left")
    handles = [axes[0].plot([], [], linewidth=1.5, **_stroke(place))[0] for place in range(len(rows))]
    figure.legend(
        handles, map(plain, rows), loc="outside lower left", ncols=4, fontsize=9, frameon=False, handlelength=3
    )
    return figure


def _forest_panel(axis: "Axes", rows: Sequence[Row], metric: Metric, *, named: bool) -> None:
    axis.axvline(0.0, color=MUTED, linewidth=0.9)
    for place, row in enumerate(rows):
        value, low, high = row["differences"][metric.key]
        colour = ACCENT if metric.key in row["shown"] else MUTED
        if low is not None and high is not None:
            axis.plot([low, high], [place, place], color=colour, linewidth=1.8, solid_capstyle="butt")
        if value is not None:
            axis.plot([value], [place], marker="o", markersize=4.5, color=colour, linestyle="none")
    axis.set_yticks(range(len(rows)), [plain(row["name"]) for row in rows] if named else [""] * len(rows))
    # The first row on top, as in the table.
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.locator_params(axis="x", nbins=5)
    wanted = {1: ", higher is better", -1: ", lower is better", 0: ""}[metric.better]
    axis.set_title(f"{metric.words}{wanted}", fontsize=9, color=INK, loc="left")


def _stroke(place: int) -> dict[str, Any]:
    return {"color": PALETTE[place % len(PALETTE)], "linestyle": STROKES[place // len(PALETTE) % len(STROKES)]}
