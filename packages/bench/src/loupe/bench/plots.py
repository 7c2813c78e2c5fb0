"""The pictures of a report that need axes: learning curves, ratings against labels, and agreement by look.

matplotlib is imported inside the functions, with the backend that needs no display; the figures come back as SVG data
URIs, which keeps their ids apart on a page that holds several.
"""

# The stubs of matplotlib leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false

import base64
import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, ACCENT, MUTED = "#1d2733", "#1f5f8b", "#8b97a5"
PALETTE = ("#8b97a5", "#d08a2e", "#1f5f8b", "#5b8c5a", "#a3485b", "#6b5b95")
PANELS = 9
"""Learning curves that one training shows at most."""
HELD_OUT = "eval_"
"""What the name of a metric begins with that was measured on held-out data."""
_FIRST = ("loss", "reward", "zoom", "unusable", "srcc", "accuracy", "rating", "kl", "entropy")
_LEFT_OUT = (
    "runtime",
    "per_second",
    "epoch",
    "flos",
    "/std",
    "num_tokens",
    "seconds",
    "time",
    "learning_rate",
    "_std",
    "/drawn/",
)

Series = Sequence[tuple[float, float]]
"""Points (step, value) with finite values."""
Row = Mapping[str, Any]


def curves(rows: Sequence[Row]) -> dict[str, Series]:
    """The series of a metrics.jsonl that are worth a panel: two finite points at least, the best known names first."""
    names = sorted({name for row in rows for name in row if name != "step" and not _is_left_out(name)})
    series = {name: _points(rows, name) for name in sorted(names, key=_place)}
    known = {name: points for name, points in series.items() if len(points) > 1}
    shown = list(dict.fromkeys(name.removeprefix(HELD_OUT) for name in known))[:PANELS]
    return {name: points for name, points in known.items() if name.removeprefix(HELD_OUT) in shown}


def learning_curves(series: Mapping[str, Series]) -> str:
    """One small panel a name over the steps; a thick line is the running mean over a tenth of the points. What is
    measured on held-out data stands in the panel of the same name, with a mark for each evaluation."""
    panels = list(dict.fromkeys(name.removeprefix(HELD_OUT) for name in series))
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    figure, axes = new_figure(columns * 3.4, rows * 2.1, rows=rows, columns=columns)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    for axis, name in zip(axes, panels, strict=False):
        _trained(axis, series.get(name, ()))
        _held_out(axis, series.get(f"{HELD_OUT}{name}", ()))
        axis.set_title(name[:40], fontsize=9, color=INK, loc="left", parse_math=False)
    return svg_uri(figure)


def scatter(labels: Sequence[float], ratings: Sequence[float], *, hard: Sequence[bool]) -> str:
    """Ratings against labels, both on 1..5, with the diagonal; hard images in a second colour."""
    figure, (axis,) = new_figure(4.6, 4.4)
    axis.plot([1, 5], [1, 5], color=MUTED, linewidth=0.8, linestyle=(0, (4, 3)))
    for is_hard, colour, name in ((False, ACCENT, "easy or not measured"), (True, "#d08a2e", "hard: needs a crop")):
        chosen = [index for index, value in enumerate(hard) if value is is_hard]
        if chosen:
            x, y = [labels[index] for index in chosen], [ratings[index] for index in chosen]
            axis.scatter(x, y, s=9, color=colour, alpha=0.45, linewidths=0, label=f"{name} ({len(chosen):,})")
    axis.set(xlim=(0.9, 5.1), ylim=(0.9, 5.1), xlabel="label", ylabel="expected rating", aspect="equal")
    axis.legend(fontsize=8, frameon=False, loc="upper left")
    return svg_uri(figure)


def by_look(
    rows: Mapping[str, Mapping[str, Sequence[float | None]]], *, looks: Sequence[str], words: Mapping[str, str]
) -> str:
    """SRCC with its interval, or alone where that is unknown: a group a look, a mark a row.

    `rows[name][look]` is [value, low, high].
    """
    figure, (axis,) = new_figure(6.6, 3.0)
    width = 0.6 / max(1, len(rows))
    for index, (name, cells) in enumerate(rows.items()):
        colour, shift = PALETTE[index % len(PALETTE)], (index - (len(rows) - 1) / 2) * width
        known = [(place + shift, cells.get(look)) for place, look in enumerate(looks)]
        for at, cell in known:
            if _known(cell):
                axis.plot([at, at], cell[1:], color=colour, linewidth=1.6, solid_capstyle="butt")
            if cell is not None and _is_number(value := cell[0]):
                axis.plot([at], [value], marker="o", markersize=5, color=colour, linestyle="none")
        axis.plot([], [], marker="o", color=colour, linewidth=1.6, label=plain(name))
    axis.set_xticks(range(len(looks)), [words[look] for look in looks])
    axis.set(xlim=(-0.5, len(looks) - 0.5), ylabel="SRCC")
    axis.legend(fontsize=8, frameon=False, loc="best")
    return svg_uri(figure)


def _trained(axis: "Axes", points: Series) -> None:
    steps, values = [step for step, _ in points], [value for _, value in points]
    axis.plot(steps, values, color=ACCENT, alpha=0.3, linewidth=0.8)
    axis.plot(steps, smooth(values), color=ACCENT, linewidth=1.6)


def _held_out(axis: "Axes", points: Series) -> None:
    if points:
        axis.plot(
            *zip(*points, strict=True), color=PALETTE[1], marker="o", markersize=3, linewidth=1.2, label="held out"
        )
        axis.legend(fontsize=7, frameon=False, loc="best")


def _is_left_out(name: str) -> bool:
    return any(part in name for part in _LEFT_OUT)


def _place(name: str) -> tuple[int, str]:
    return next((place for place, part in enumerate(_FIRST) if part in name), len(_FIRST)), name


def _points(rows: Sequence[Row], name: str) -> Series:
    pairs = [(row.get("step"), row.get(name)) for row in rows]
    return [(float(step), float(value)) for step, value in pairs if _is_number(step) and _is_number(value)]


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _known(cell: Sequence[float | None] | None) -> TypeGuard[Sequence[float]]:
    return cell is not None and all(_is_number(value) for value in cell)


def smooth(values: Sequence[float]) -> list[float]:
    """Running mean over a tenth of the points, three at least."""
    half = max(1, len(values) // 20)
    windows = [values[max(0, at - half) : at + half + 1] for at in range(len(values))]
    return [sum(window) / len(window) for window in windows]


def plain(text: str) -> str:
    """A name that matplotlib prints as it stands: a dollar sign begins a formula, a leading underscore hides it."""
    return text[:40].replace("$", r"\$").lstrip("_")


def new_figure(width: float, height: float, *, rows: int = 1, columns: int = 1) -> tuple["Figure", list["Axes"]]:
    """A figure of the house's look, sizes in inches, and its panels row by row."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = [figure.add_subplot(rows, columns, index + 1) for index in range(rows * columns)]
    for axis in axes:
        axis.spines[["top", "right"]].set_visible(False)
        axis.spines[["left", "bottom"]].set_color(MUTED)
        axis.tick_params(colors=INK, labelsize=8, length=3)
        axis.grid(visible=True, color="#e7ebef", linewidth=0.6)
        axis.set_axisbelow(True)
    return figure, axes


def svg_uri(figure: "Figure") -> str:
    """The figure as a data URI, which keeps its ids apart from those of others on the page."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg(figure)).decode('ascii')}"


def svg(figure: "Figure") -> bytes:
    """The figure as an SVG file; the same numbers give the same bytes."""
    from matplotlib import rc_context

    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "loupe", "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()
