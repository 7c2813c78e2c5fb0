"""The Pareto picture of the modes: agreement over speed. matplotlib is imported by `loupe.bench.plots`."""

# The stubs of matplotlib leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping
from typing import Any

from loupe.bench.calibration.plot import png
from loupe.bench.plots import ACCENT, INK, PALETTE, new_figure
from loupe.core.numbers import count, fixed


def modes_png(data: Mapping[str, Any]) -> bytes:
    """The picture of what modes.json holds, as PNG: a mark a mode with its interval; the line joins the modes that no
    other one beats in both, and the hollow marks are PLCC."""
    figure, (axis,) = new_figure(7.4, 4.2)
    rows = data["modes"]
    for key, colour, shift, hollow in (("srcc", ACCENT, 0.985, False), ("plcc", PALETTE[1], 1.015, True)):
        for row in rows:
            value, low, high = row[key]
            ends = None if low is None or high is None else [[max(0.0, value - low)], [max(0.0, high - value)]]
            axis.errorbar(
                [row["speed"][0] * shift],
                [value],
                yerr=ends,
                color=colour,
                fmt="o",
                markersize=6,
                markerfacecolor="white" if hollow else colour,
                elinewidth=1,
                label=key.upper() if row is rows[0] else None,
            )
    best = [row for name in data["front"] for row in rows if row["name"] == name]
    axis.plot(
        [row["speed"][0] * 0.985 for row in best],
        [row["srcc"][0] for row in best],
        color=ACCENT,
        linewidth=1,
        alpha=0.5,
    )
    for row in rows:
        # A mode that says the same of every image has no agreement; its name stands at none.
        bottom = min((end for key in ("srcc", "plcc") for end in row[key] if end is not None), default=0.0)
        words = f"{row['words']}\n{fixed(row['tokens'], 0)} tokens"
        axis.annotate(
            words, (row["speed"][0], bottom), (0, -6), textcoords="offset points", ha="center", va="top", fontsize=8
        )
    axis.set_xscale("log")
    axis.margins(x=0.16, y=0.22)
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.minorticks_off()
    axis.set_xticks(*_ticks([row["speed"][0] for row in rows]))
    axis.set(xlabel="images a second, fast = 1 (log scale)", ylabel="agreement with the labels")
    for scale in (axis.xaxis, axis.yaxis):
        scale.label.set(fontsize=8.5, color=INK)
    # Steps that two decimals can say.
    axis.locator_params(axis="y", steps=[1, 2, 5, 10])
    axis.yaxis.set_major_formatter(lambda value, _: fixed(value, 2))
    title = f"{data['model']}, {count(data['n'])} images"
    axis.set_title(title[:80], fontsize=9, color=INK, loc="left", parse_math=False)
    axis.legend(fontsize=8, frameon=False, loc="upper right", labelcolor=INK)
    return png(figure)


def _ticks(speeds: list[float]) -> tuple[list[float], list[str]]:
    """A tick for each mode: they are few, and their ratios are what is read off."""
    return speeds, [fixed(value, 2) for value in speeds]
