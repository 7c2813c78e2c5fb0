"""The figures of a file of predictions as cells of text, and in sentences what has to be known to read them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from loupe.bench.score_file.figures import KINDS, STATISTICS
from loupe.bench.words import FIT_WORDS, MEAN_WORDS
from loupe.core import numbers

HEAD = ("", "n", "PLCC", "SRCC", "KRCC", "RMSE")
FITTED_HEAD = ("fitted on the test labels", "n", "PLCC", "SRCC", "RMSE")
KIND_WORDS = {"all": "failures at mid-scale", "usable": "usable alone"}
_MISSING = {
    "not_in_data": "rows name no image of the data",
    "ambiguous": "rows name an image that could be several",
    "not_in_file": "images of the data have no row in the file",
    "without_opinion": "images have no opinion",
}


def cells(found: Mapping[str, Any]) -> list[Sequence[str]]:
    """Rows under `HEAD`: each data set, with failures and without, and the means where there are several."""
    rows: list[Sequence[str]] = []
    kinds = KINDS if any(data["unusable"] for data in found["sets"].values()) else KINDS[:1]
    for kind in kinds:
        words = f", {KIND_WORDS[kind]}" if len(kinds) > 1 else ""
        for name, data in found["sets"].items():
            figures = [_interval(data[kind][key]) for key in STATISTICS]
            rows.append(((name or "images") + words, numbers.count(data[kind]["n"]), *figures))
        for mean, mean_words in MEAN_WORDS.items() if found["means"] else ():
            figures = [_interval(found["means"][kind].get(key, {}).get(mean)) for key in STATISTICS]
            rows.append((mean_words + words, "", *figures))
    return rows


def fitted_cells(found: Mapping[str, Any]) -> list[Sequence[str]]:
    """Rows under `FITTED_HEAD`, failures at mid-scale."""
    rows: list[Sequence[str]] = []
    for name, data in found["sets"].items():
        for fit, words in FIT_WORDS.items():
            made = data["all"].get(fit)
            if made is not None:
                figures = [_interval(made[key]) for key in ("plcc", "srcc", "rmse")]
                rows.append((f"{name or 'images'}, {words}", numbers.count(data["all"]["n"]), *figures))
    return rows


def notes(found: Mapping[str, Any]) -> Iterator[str]:
    """The format, the scale, failures, and what has no partner."""
    guessed = " (told by its content; --format says otherwise)" if found["format_guessed"] else ""
    yield f"{found['file']} is {found['format']}{guessed}; opinions from {found['labels']}"
    if found["scale"] is None:
        yield "the scale of the scores is not known, so there is no RMSE; state it, for example --scale 0 100"
    elif all(data["all"]["rmse"] is None for data in found["sets"].values()):
        yield "the scale of the opinions is not known, so there is no RMSE; state it, for example --label-scale 0 100"
    else:
        low, high = found["scale"]
        yield f"scores are on {low:g}..{high:g}; RMSE is on 1..5"
    if found["outside_scale"]:
        yield f"{numbers.count(found['outside_scale'])} scores lie outside of that scale; they are taken as they are"
    if found["failures"]["count"]:
        yield (
            f"{numbers.count(found['failures']['count'])} predictions cannot be used, such as "
            f"{'; '.join(found['failures']['first'])}"
        )
    for key, words in _MISSING.items():
        if count := found[key]["count"]:
            yield f"{numbers.count(count)} {words}, such as {', '.join(found[key]['first'])}"


def reasons(found: Mapping[str, Any]) -> Iterator[str]:
    """Why there is no fit, a sentence each."""
    for name, data in found["sets"].items():
        for fit, words in FIT_WORDS.items():
            made: dict[str, Any] = data["all"].get(fit) or {}
            if made.get("reason"):
                yield f"{name or 'images'}, {words}: {made['reason']}"


def _interval(bounds: Sequence[float | None] | None) -> str:
    return numbers.interval(*bounds) if bounds else numbers.DASH
