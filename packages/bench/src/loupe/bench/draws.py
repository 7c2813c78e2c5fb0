"""What a GRPO training drew, against what its data hold: the histogram of ratings over the course of the training.

Reads `draws.jsonl` of a run folder, one row a chunk: {"step", "chunk", "counts": {data set: images by rating bin}}; the
row of chunk 0 has also "edges", the edges of the bins, and "data", the counts of all training images. A data set that a
chunk did not touch is not in its counts, and of a chunk that was written twice the later row counts. The training is
cut into parts of as many chunks each. matplotlib is imported inside the functions.
"""

# The stubs of matplotlib leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from loupe.bench.plots import INK, new_figure, svg_uri
from loupe.core.errors import DataError
from loupe.core.files import read_jsonl
from loupe.core.numbers import count

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FILE = "draws.jsonl"
PARTS = 3
"""Parts that a training is cut into."""
PANELS = 9
"""Data sets that are shown at most, those that were drawn from most."""
_DATA, _SHADES = "#dde3e9", ("#e0a458", "#5a93bd", "#123f63")
"""Fill of what the data hold, and a line for each part of the training, the darkest for the last."""

Histograms = dict[str, list[int]]
"""Images (bins,) by data set."""


class Part(TypedDict):
    """What was drawn from the step `first` to the step `last`."""

    first: int
    last: int
    counts: Histograms


class Draws(TypedDict):
    """Draws of one training as report.json holds them; `edges` (bins + 1,) of the rating bins, parts in their order."""

    edges: list[float]
    data: Histograms
    parts: list[Part]


def read_draws(run: Path | str) -> Draws | None:
    """The draws of a run folder; None where it has no such file, or no row in it.

    Raises DataError for rows of another form.
    """
    path = Path(run) / FILE
    rows = read_jsonl(path) if path.is_file() else []
    if not rows:
        return None
    try:
        first = next(row for row in rows if "edges" in row)
        edges = [float(edge) for edge in first["edges"]]
        if not first["data"]:
            raise ValueError("no data set in the first row")
        latest = {int(row["chunk"]): row for row in rows}
        chunks = [latest[chunk] for chunk in sorted(latest)]
        parts = [_part(chunks[start:end], bins=len(edges) - 1) for start, end in _cuts(len(chunks))]
        return {"edges": edges, "data": _total([first["data"]], bins=len(edges) - 1), "parts": parts}
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration) as error:
        wanted = "wanted rows with step, chunk and counts, and one with edges and data"
        raise DataError(f"{path} is malformed ({error!r}); {wanted}") from error


def histogram_figure(draws: Draws) -> str:
    """One panel a data set: share of its images by rating, of the data (filled) and of each part's draws (lines)."""
    return svg_uri(histograms(draws))


def histograms(draws: Draws) -> "Figure":
    """The figure behind `histogram_figure`."""
    names = sorted(draws["data"], key=lambda name: (-sum(_drawn(draws, name)), name))[:PANELS]
    columns = min(3, len(names))
    rows = math.ceil(len(names) / columns)
    figure, axes = new_figure(max(5.2, columns * 3.4), rows * 2.4 + 0.4, rows=rows, columns=columns)
    for axis in axes[len(names) :]:
        axis.set_visible(False)
    for axis, name in zip(axes, names, strict=False):
        _panel(axis, draws, name)
    for axis in axes[::columns]:
        axis.set_ylabel("share of images", fontsize=8, color=INK)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=len(labels), fontsize=8, frameon=False)
    return figure


def _panel(axis: "Axes", draws: Draws, name: str) -> None:
    edges, parts = draws["edges"], draws["parts"]
    held, drawn = draws["data"][name], _drawn(draws, name)
    axis.stairs(_shares(held), edges, fill=True, color=_DATA, label="training data")
    for part, colour in zip(parts, _SHADES[-len(parts) :], strict=True):
        shares = _shares(part["counts"].get(name, [0] * len(held)))
        # Without the drop to zero at both ends, where the lines of all parts would cover each other.
        axis.stairs(shares, edges, baseline=None, color=colour, linewidth=1.6, label=_steps(part))
    axis.set(xlim=(edges[0], edges[-1]), ylim=(0, None), xlabel="rating")
    axis.xaxis.label.set(fontsize=8, color=INK)
    axis.yaxis.set_major_formatter(lambda share, _: f"{share:.0%}".replace("%", " %"))
    title = f"{name[:40]}\n{count(sum(drawn))} draws of {count(sum(held))} images"
    axis.set_title(title, fontsize=8.5, color=INK, loc="left", parse_math=False)


def _steps(part: Part) -> str:
    first, last = count(part["first"]), count(part["last"])
    return f"step {first}" if first == last else f"steps {first}–{last}"


def _cuts(chunks: int) -> list[tuple[int, int]]:
    """First chunk and the one behind the last of each part; no part is empty."""
    parts = min(PARTS, chunks)
    bounds = [part * chunks // parts for part in range(parts + 1)]
    return list(pairwise(bounds))


def _part(rows: Sequence[Mapping[str, Any]], *, bins: int) -> Part:
    counts = _total([row["counts"] for row in rows], bins=bins)
    return {"first": int(rows[0]["step"]), "last": int(rows[-1]["step"]), "counts": counts}


def _total(histograms: Sequence[Mapping[str, Sequence[int]]], *, bins: int) -> Histograms:
    """Sum of histograms by data set."""
    total: Histograms = {}
    for histogram in histograms:
        for name, counts in histogram.items():
            if len(counts) != bins or any(type(value) is not int or value < 0 for value in counts):
                raise ValueError(f"got the counts {str(counts)[:80]} for {bins} bins")
            total[name] = [sum(pair) for pair in zip(total.get(name, [0] * bins), counts, strict=True)]
    return total


def _drawn(draws: Draws, name: str) -> list[int]:
    """All that was drawn of a data set (bins,)."""
    nothing = [0] * (len(draws["edges"]) - 1)
    return [sum(column) for column in zip(*(part["counts"].get(name, nothing) for part in draws["parts"]), strict=True)]


def _shares(counts: Sequence[int]) -> list[float]:
    """Shares (bins,) of their sum; not a number, and so not drawn, where nothing is counted."""
    total = sum(counts)
    return [value / total if total else math.nan for value in counts]
