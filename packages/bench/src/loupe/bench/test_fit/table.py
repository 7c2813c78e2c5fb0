"""The tables of the study as text cells, for the screen and for its page, and the page itself."""

from collections.abc import Mapping, Sequence
from typing import Any

from loupe.bench.fits import MAPS
from loupe.bench.text_table import TextTable, markdown_table
from loupe.core import numbers

Data = Mapping[str, Any]
"""The contents of test-fit.json."""
PLACES = 4


def gain_table(data: Data, statistic: str, *, short: bool = False) -> TextTable:
    """A line a condition: the raw figure, and of each map the gain on the labels of the fit, the gain on fresh labels,
    and the inflation. The short one fits a terminal: without intervals and gains on fresh labels."""
    shown = {"gain": "gain", "fresh_gain": "fresh", "inflation": "inflation"}
    keys = [key for key in shown if not (short and key == "fresh_gain")]
    parting = "\n" if short else ": "
    head = ["link", "r", "n", f"raw {statistic.upper()}"]
    head += [f"{kind}{parting}{shown[key]}" for kind in MAPS for key in keys]
    rows: list[tuple[str, ...]] = []
    for item in data["cells"]:
        cell, maps = item["cell"], [item["maps"][kind][statistic] for kind in MAPS]
        raw = numbers.fixed(maps[-1]["raw"][0])
        gains = [found[key] for found in maps for key in keys]
        said = [numbers.signed(gain[0], PLACES) if short else _difference(gain) for gain in gains]
        rows.append((cell["link"], numbers.fixed(cell["r"], 2), numbers.count(cell["n"]), raw, *said))
    return TextTable(tuple(head), tuple(rows))


def coverage_table(data: Data) -> TextTable:
    """A line a condition of the study of intervals: how often each kind holds the truth, and how wide it is."""
    head = ("map", "link", "r", "n", "map held", "width", "fitted anew", "width")
    return TextTable(head, tuple(_coverage_row(item) for item in data["coverage"]))


def notes(data: Data) -> list[str]:
    """What has to be known to read the tables, a sentence each."""
    repetitions, seed = data["config"]["repetitions"], data["config"]["seed"]
    failed = sum(count for item in data["cells"] for count in item["failed"].values())
    fits = len(MAPS) * repetitions * len(data["cells"])
    return [
        f"Means over {numbers.count(repetitions)} simulated test sets a line, seed {seed}; of {numbers.count(fits)} "
        f"fits {numbers.count(failed)} failed and are left out.",
        "gain: fitted less raw, on the labels of the fit; inflation: gain less the gain on labels that the map was not "
        "fitted to.",
    ]


def page(data: Data, *, picture: str) -> str:
    """The page as Markdown; `picture` is the name of the file beside it."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    # Markdown of numbers and of names that the settings allow: nothing in it comes from a model or a user's file.
    engine = Environment(  # noqa: S701
        loader=PackageLoader("loupe.bench"), undefined=StrictUndefined, trim_blocks=True, keep_trailing_newline=True
    )
    return engine.get_template("test-fit.md.jinja").render(
        config=data["config"],
        plcc=markdown_table(gain_table(data, "plcc")),
        srcc=markdown_table(gain_table(data, "srcc")),
        coverage=markdown_table(coverage_table(data)) if data["coverage"] else "",
        draws=numbers.count(data["config"]["coverage_draws"]),
        notes=notes(data),
        findings=_findings(data),
        picture=picture,
        versions=data["versions"],
    )


def _findings(data: Data) -> list[str]:
    """Per map and link, the least and the greatest inflation and gain on fresh labels, in words."""
    lines: list[str] = []
    for kind in MAPS:
        for link in data["config"]["links"]:
            found = [item["maps"][kind] for item in data["cells"] if item["cell"]["link"] == link]
            plcc, srcc = (_range([item[name]["inflation"][0] for item in found]) for name in ("plcc", "srcc"))
            fresh = _range([item["plcc"]["fresh_gain"][0] for item in found])
            lines.append(
                f"{kind}, {link} link: inflation of PLCC {plcc}, of SRCC {srcc}; PLCC gained on fresh labels {fresh}."
            )
    return lines


def _range(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{numbers.signed(min(known), 3)} to {numbers.signed(max(known), 3)}" if known else numbers.DASH


def _coverage_row(item: Data) -> tuple[str, ...]:
    cell = item["cell"]
    shares = [
        cell for key in ("held", "anew") for cell in (_percents(item[key]), numbers.fixed(item[f"{key}_width"], PLACES))
    ]
    return (item["map"], cell["link"], numbers.fixed(cell["r"], 2), numbers.count(cell["n"]), *shares)


def _percents(bounds: Sequence[float | None]) -> str:
    value, low, high = (numbers.percent(bound) for bound in bounds)
    return f"{value} [{low}, {high}]"


def _difference(bounds: Sequence[float | None]) -> str:
    value, low, high = (numbers.signed(bound, PLACES) for bound in bounds)
    return f"{value} [{low}, {high}]"
