"""From a template and plain values to one self-contained HTML page.

Everything is escaped unless a template says otherwise, and no template does: what a model wrote, what a file is called
and what a metric is named are all untrusted. Pages hold no script and load nothing.
"""

import math
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from loupe.core import numbers

LONGEST_TEXT = 4000
"""Characters of one completion that a page shows."""


def render_page(template: str, **values: Any) -> str:
    """HTML of `templates/{template}` with `values`. A value that the template wants and does not get is an error."""
    environment = Environment(
        loader=FileSystemLoader(str(files("loupe.bench") / "templates")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {
        "fixed": numbers.fixed,
        "signed": numbers.signed,
        "rating": numbers.rating,
        "percent": numbers.percent,
        "count": numbers.count,
        "interval": interval,
        "difference": difference,
        "region": region,
        "clip": clip,
    }
    environment.filters |= filters  # pyright: ignore[reportUnknownMemberType] - jinja2 leaves it untyped
    return environment.get_template(template).render(**values)


def interval(bounds: Sequence[float | None] | None) -> str:
    """[value, low, high] of a summary as `.853 [.841, .865]`."""
    return numbers.interval(*bounds) if bounds else numbers.DASH


def difference(bounds: Sequence[float | None] | None) -> str:
    """The same for a difference, with its signs: `+.120 [+.080, +.161]`."""
    if not bounds or any(bound is None or not math.isfinite(bound) for bound in bounds):
        return numbers.signed(bounds[0] if bounds else None)
    return f"{numbers.signed(bounds[0])} [{numbers.signed(bounds[1])}, {numbers.signed(bounds[2])}]"


def region(box: Sequence[float]) -> str:
    """A box in words: `x 25–75 %, y 0–50 %`."""
    x1, y1, x2, y2 = (round(100 * side) for side in box)
    return f"x {x1}–{x2} %, y {y1}–{y2} %"


def clip(text: str) -> str:
    """Text that a page can hold; what was left out is counted."""
    rest = len(text) - LONGEST_TEXT
    return text if rest <= 0 else f"{text[:LONGEST_TEXT]} … ({numbers.count(rest)} more characters)"
