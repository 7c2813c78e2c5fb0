"""Numbers as people read them: on the screen, in a table, in a report. Nothing else in Loupe formats numbers.

What is missing or not finite is a dash everywhere. A fraction loses its leading zero (`.853`), as correlations are
printed in this field.
"""

import math

DASH = "–"


def fixed(value: float | None, places: int = 3) -> str:
    """Fixed decimals without the zero before the point: `.853`, `-.120`, `1.000`, `12.300`."""
    if value is None or not math.isfinite(value):
        return DASH
    text = f"{value:.{places}f}"
    if float(text) == 0.0:
        text = text.removeprefix("-")
    sign = "-" if text.startswith("-") else ""
    digits = text.removeprefix("-")
    return sign + (digits[1:] if digits.startswith("0.") else digits)


def signed(value: float | None, places: int = 3) -> str:
    """`fixed` with a plus sign where it is above zero, for differences: `+.012`, `-.004`, `.000`."""
    text = fixed(value, places)
    return f"+{text}" if value is not None and value > 0 and float(text.replace(DASH, "0")) > 0 else text


def plain(value: float | None, places: int = 3) -> str:
    """A number of any scale with the zero before its point and none behind: `0`, `0.5`, `88.39`, `100`, `1e+20`."""
    if value is None or not math.isfinite(value):
        return DASH
    if abs(value) >= 1e15:
        return f"{value:g}"
    text = f"{value:.{places}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def interval(value: float | None, low: float | None, high: float | None, *, places: int = 3) -> str:
    """A value with the ends of its interval: `.853 [.841, .865]`; the value alone where the interval is unknown."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return fixed(value, places)
    return f"{fixed(value, places)} [{fixed(low, places)}, {fixed(high, places)}]"


def rating(value: float | None) -> str:
    """A rating on 1..5 with two decimals: `3.42`."""
    return fixed(value, 2)


def percent(fraction: float | None, places: int = 1) -> str:
    """A fraction in 0..1 as a percentage: `85.3 %`."""
    if fraction is None or not math.isfinite(fraction):
        return DASH
    return f"{abs(fraction) if fraction == 0 else fraction:.{places}%}".replace("%", " %")


def scientific(value: float | None) -> str:
    """One digit before and one behind the point, for numbers far from 1: `2.3e-15`; zero is `0`."""
    if value is None or not math.isfinite(value):
        return DASH
    return f"{value:.1e}" if value else "0"


def count(number: int | None) -> str:
    """A whole number with commas: `12,345`."""
    return DASH if number is None else f"{number:,}"


def seconds(value: float | None) -> str:
    """A span of time in the unit that fits it: `84 ms`, `3.42 s`, `5 min 07 s`, `2 h 03 min`."""
    if value is None or not math.isfinite(value):
        return DASH
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 59.95:
        return f"{value:.2f} s" if value < 9.995 else f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    hours, minutes = divmod(round(value / 60), 60)
    return f"{hours} h {minutes:02d} min"
