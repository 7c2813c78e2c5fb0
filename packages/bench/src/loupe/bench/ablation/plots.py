"""The pictures of an ablation: a forest plot of the paired differences, learning curves, and the error by rating."""

# The stubs of matplotlib leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loupe.bench.ablation.by_rating import EDGES
from loupe.bench.ablation.figures import IMAGE_METRICS, Metric
from loupe.bench.ablation.learning import CURVES
from loupe.bench.plots import ACCENT, INK, MUTED, PALETTE, new_figure, plain, smooth

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STROKES = ("-", "--", ":", "-.")
"""With six colours, 24 rows can be told apart."""
BANDS = 5
"""Rows up to which each has a band; more of them would cover each other."""
_COLUMNS = 3
_FEW = 12

Row = Mapping[str, Any]


def forest(rows: Sequence[Row], *, reference: str) -> "Figure":
    """A panel a metric and a line a row: its difference to the reference row with the interval, and the zero line.

    `rows` are those of ablation.json without the reference. Dark where the interval leaves out zero, grey elsewhere.
    """
    panels = math.ceil(len(IMAGE_METRICS) / _COLUMNS)
    height = panels * (0.9 + 0.24 * max(1, len(rows)))
    figure, axes = new_figure(10.4, height, rows=panels, columns=_COLUMNS)
    for axis in axes[len(IMAGE_METRICS) :]:
        axis.set_visible(False)
    for place, (axis, metric) in enumerate(zip(axes, IMAGE_METRICS, strict=False)):
        _forest_panel(axis, rows, metric, named=place % _COLUMNS == 0)
    figure.suptitle(f"difference to {plain(reference)}", fontsize=9, color=INK, x=0.01, ha="left")
    return figure


def curves(series: Mapping[str, Mapping[str, Sequence[Sequence[float]]]], *, rows: Sequence[str]) -> "Figure":
    """A panel a metric, a stroke a row: running means of points [step, mean over seeds, lowest, highest], the last two
    as a band where the rows are few enough; one legend for all panels."""
    known = {metric: series[metric] for metric in CURVES if series.get(metric)}
    panels = math.ceil(len(known) / _COLUMNS)
    legend_lines = math.ceil(len(rows) / 4)
    figure, axes = new_figure(10.4, panels * 2.4 + 0.3 * legend_lines, rows=panels, columns=_COLUMNS)
    for axis in axes[len(known) :]:
        axis.set_visible(False)
    for axis, (metric, by_row) in zip(axes, known.items(), strict=False):
        for name, points in by_row.items():
            steps = [point[0] for point in points]
            mean, low, high = (_drawn([point[place] for point in points]) for place in (1, 2, 3))
            stroke = _stroke(rows.index(name))
            axis.plot(steps, mean, linewidth=1.5, **stroke)
            if len(rows) <= BANDS:
                axis.fill_between(steps, low, high, color=stroke["color"], alpha=0.15, linewidth=0)
        axis.set_title(CURVES[metric], fontsize=9, color=INK, loc="left")
    handles = [axes[0].plot([], [], linewidth=1.5, **_stroke(place))[0] for place in range(len(rows))]
    figure.legend(
        handles, map(plain, rows), loc="outside lower left", ncols=4, fontsize=9, frameon=False, handlelength=3
    )
    return figure


def by_rating(
    errors: Mapping[str, Sequence[Sequence[float]]], trained_on: Sequence[int], *, rows: Sequence[str]
) -> "Figure":
    """Mean absolute error by rating, a stroke a row with its lowest and highest seed; behind it, filled, the share of
    training images with each rating. `errors` and `trained_on` (BINS,) as in ablation.json, `rows` in its order."""
    figure, (axis,) = new_figure(7.2, 3.6)
    behind = axis.twinx()
    behind.stairs([count / max(1, sum(trained_on)) for count in trained_on], EDGES, fill=True, color="#dde3e9")
    behind.set(ylabel="share of training images", ylim=(0, None))
    behind.spines[["top", "left", "right"]].set_visible(False)
    behind.tick_params(colors=MUTED, labelsize=8, length=3)
    behind.yaxis.label.set(fontsize=8, color=MUTED)
    axis.set_zorder(behind.get_zorder() + 1)
    axis.patch.set_visible(False)
    for place, (name, points) in enumerate((name, errors[name]) for name in rows if name in errors):
        centres, mean, low, high = ([point[at] for point in points] for at in range(4))
        stroke = _stroke(place)
        axis.plot(centres, mean, marker="o", markersize=3.5, linewidth=1.5, label=plain(name), **stroke)
        if len(errors) <= BANDS:
            axis.fill_between(centres, low, high, color=stroke["color"], alpha=0.15, linewidth=0)
    axis.set(xlim=(EDGES[0], EDGES[-1]), ylim=(0, None), xlabel="label", ylabel="mean absolute error")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower left", ncols=4, fontsize=8, frameon=False)
    return figure


def _drawn(values: Sequence[float]) -> Sequence[float]:
    """Smoothed, unless the points are so few that each is worth seeing."""
    return smooth(values) if len(values) > _FEW else values


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
