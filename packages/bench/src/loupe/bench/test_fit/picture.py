"""The picture of the study: what each map gains on the labels that it was fitted to, and on labels it never saw."""

# The stubs of matplotlib leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loupe.bench.fits import MAPS
from loupe.bench.plots import INK, MUTED, PALETTE, new_figure
from loupe.bench.test_fit.inflation import STATISTICS
from loupe.bench.test_fit.table import PLACES
from loupe.core import numbers

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_DPI = 150
_MARGIN = 0.08

Data = Mapping[str, Any]
"""The contents of test-fit.json."""


def picture(data: Data) -> bytes:
    """PNG: a row a statistic, a column a link and map; full lines for the labels of the fit, broken for fresh ones."""
    links, correlations = data["config"]["links"], data["config"]["correlations"]
    columns = [(link, kind) for link in links for kind in MAPS]
    figure, axes = new_figure(2.7 * len(columns) + 0.4, 5.6, rows=len(STATISTICS), columns=len(columns))
    for place, axis in enumerate(axes):
        statistic, (link, kind) = STATISTICS[place // len(columns)], columns[place % len(columns)]
        for colour, r in zip(_colours(correlations), correlations, strict=True):
            found = [cell for cell in data["cells"] if cell["cell"]["link"] == link and cell["cell"]["r"] == r]
            _lines(axis, found, [cell["maps"][kind][statistic] for cell in found], colour=colour)
        axis.axhline(0.0, color=MUTED, linewidth=0.9, zorder=1)
        axis.set_title(f"{kind}, {link} link", fontsize=9, color=INK, loc="left")
        axis.set_xticks(range(len(data["config"]["sizes"])), [numbers.count(n) for n in data["config"]["sizes"]])
        axis.margins(x=0.15)
        axis.yaxis.set_major_formatter(lambda value, _: numbers.signed(value, PLACES))
        axis.set(ylabel=f"gain in {statistic.upper()}" if place % len(columns) == 0 else "")
        if place // len(columns) == len(STATISTICS) - 1:
            axis.set_xlabel("images of the test set", fontsize=8, color=INK)
    _share_heights(axes, len(columns))
    _legend(figure, axes[0], correlations)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return buffer.getvalue()


def _lines(axis: "Axes", cells: Sequence[Data], found: Sequence[Data], *, colour: str) -> None:
    """The two gains over the sizes, each mean with its interval; the gap between them is the inflation."""
    known = [item for item in zip(range(len(cells)), found, strict=True) if item[1]["gain"][0] is not None]
    for key, stroke, face in (("gain", "-", colour), ("fresh_gain", ":", "white")):
        at, bounds = [place for place, _ in known], [item[key] for _, item in known]
        axis.plot(at, [b[0] for b in bounds], stroke, color=colour, marker="o", markersize=4, markerfacecolor=face)
        for place, (_, low, high) in zip(at, bounds, strict=True):
            if low is not None and high is not None:
                axis.plot([place, place], [low, high], color=colour, linewidth=1.2)


def _share_heights(axes: Sequence["Axes"], columns: int) -> None:
    """One scale for all panels of a statistic, so that they can be compared by eye."""
    for start in range(0, len(axes), columns):
        row = axes[start : start + columns]
        # Taken from the data: matplotlib gives a flat line a height of its own.
        low, high = min(axis.dataLim.y0 for axis in row), max(axis.dataLim.y1 for axis in row)
        for axis in row:
            axis.set_ylim(low - _MARGIN * (high - low), high + _MARGIN * (high - low))


def _legend(figure: Any, axis: "Axes", correlations: Sequence[float]) -> None:
    lines: list[tuple[str, dict[str, Any]]] = [
        (f"r = {numbers.fixed(r, 2)}", {"color": colour, "linestyle": "-", "linewidth": 3.0})
        for colour, r in zip(_colours(correlations), correlations, strict=True)
    ]
    lines.append(("on the labels of the fit", {"color": INK, "linestyle": "-", "marker": "o", "markersize": 4}))
    hollow = {"color": INK, "linestyle": ":", "marker": "o", "markersize": 4, "markerfacecolor": "white"}
    lines.append(("same map, fresh labels", hollow))
    handles = [axis.plot([], [], label=name, **style)[0] for name, style in lines]
    figure.legend(handles=handles, loc="outside lower left", ncols=len(handles), fontsize=8, frameon=False)


def _colours(correlations: Sequence[float]) -> list[str]:
    shades = PALETTE[1:]
    return [shades[place % len(shades)] for place in range(len(correlations))]
