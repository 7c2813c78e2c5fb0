"""The page of a data audit: verdicts first, then how opinions and sizes lie, then the pictures and lists behind them.

It is made of audit.json; images of the folder are opened only for the few pairs that are shown. What cannot be opened
is said in its place. File names are untrusted; the template escapes them.
"""

# The stubs of matplotlib leave keyword arguments untyped.
# pyright: reportUnknownMemberType=false

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image

from loupe.bench.pages import render_page
from loupe.bench.plots import PALETTE, new_figure, plain, svg_uri
from loupe.bench.trails import data_uri
from loupe.core import numbers
from loupe.core.errors import LoupeError
from loupe.core.files import inside, write_text_atomic
from loupe.core.images import open_image
from loupe.core.printable import printable
from loupe.data.audit.run import read_audit

PAGE = "audit.html"
THUMBNAIL = 240
"""Longest side in pixels of a picture of a pair."""
PAIRS = 16
"""Pairs of a check that are drawn."""
_ORDER = {"fail": 0, "warn": 1, "ok": 2, "skipped": 3}


@dataclass(frozen=True, slots=True)
class Side:
    """One picture of a pair: a data URI, None where it cannot be opened, and its name, untrusted."""

    name: str
    split: str
    picture: str | None


@dataclass(frozen=True, slots=True)
class ShownPair:
    """Two pictures side by side, and how far apart they are in words."""

    sides: tuple[Side, Side]
    words: str


def write_audit_page(result: Path) -> Path:
    """Write audit.html beside audit.json, one self-contained page; returns its path.

    Raises MissingFileError, DataError.
    """
    audit = read_audit(result)
    findings = sorted(audit["findings"], key=lambda item: _ORDER[item["status"]])
    page = render_page(
        "data_audit.html.jinja",
        data=audit["config"]["data"],
        status=audit["status"],
        tally={name: sum(item["status"] == name for item in findings) for name in _ORDER},
        findings=findings,
        counts=audit["counts"],
        opinions={name: _bars(by_split, "mos") for name, by_split in audit["histograms"]["mos"].items()},
        sizes=_sizes(audit["histograms"]["sizes"]),
        pairs=_shown(findings, Path(audit["config"]["data"])),
        lists=[item for item in findings if item["examples"]],
        distance=audit["config"]["distance"],
    )
    target = result.with_name(PAGE)
    write_text_atomic(target, page)
    return target


def _shown(findings: list[dict[str, Any]], data: Path) -> dict[str, list[ShownPair]]:
    """Pairs by the name of their check."""
    made = {item["name"]: [_pair(pair, data) for pair in item["pairs"][:PAIRS]] for item in findings if item["pairs"]}
    return dict(sorted(made.items()))


def _pair(pair: Mapping[str, Any], data: Path) -> ShownPair:
    splits = pair["splits"]
    words = "same bytes" if pair["exact"] else f"{numbers.count(pair['distance'])} of 64 bits apart"
    where = "across splits" if splits[0] != splits[1] else "inside one split"
    sides = (_side(data, pair["first"], splits[0]), _side(data, pair["second"], splits[1]))
    return ShownPair(sides, f"{words}, {where}")


def _side(data: Path, name: str, split: str) -> Side:
    try:
        image = open_image(inside(data, name))
    except (LoupeError, OSError):
        return Side(printable(name), split, None)
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    return Side(printable(name), split, data_uri(image))


def _bars(by_split: Mapping[str, Mapping[str, Any]], label: str) -> str:
    """One histogram a split over common bins, stacked, as a data URI."""
    figure, (axis,) = new_figure(6.2, 2.4)
    floor: list[float] = []
    for place, (split, item) in enumerate(by_split.items()):
        edges, counts = item["edges"], item["counts"]
        floor = floor or [0.0] * len(counts)
        widths = [high - low for low, high in pairwise(edges)]
        colour = PALETTE[(2, 0, 1)[place % 3]]
        name = f"{plain(split)} ({numbers.count(sum(counts))})"
        axis.bar(edges[:-1], counts, widths, bottom=floor, align="edge", color=colour, edgecolor="white", label=name)
        floor = [low + count for low, count in zip(floor, counts, strict=True)]
    axis.set(xlabel=label, ylabel="images")
    axis.legend(fontsize=8, frameon=False, loc="best")
    return svg_uri(figure)


def _sizes(sizes: Mapping[str, Mapping[str, Any]]) -> str | None:
    """Histograms of the short and the long side beside each other; None where no image could be read."""
    if not sizes:
        return None
    figure, axes = new_figure(6.2, 2.2, columns=len(sizes))
    for axis, (name, item) in zip(axes, sizes.items(), strict=True):
        widths = [high - low for low, high in pairwise(item["edges"])]
        axis.bar(item["edges"][:-1], item["counts"], widths, align="edge", color=PALETTE[2], edgecolor="white")
        axis.set(xlabel=f"{name}, pixels", ylabel="images")
    return svg_uri(figure)
