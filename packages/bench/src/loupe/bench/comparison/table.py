"""The figures of comparisons as text, from their place in summary.json."""

from collections.abc import Mapping
from typing import Any

from loupe.bench.comparison.strengths import MOST_IMAGES
from loupe.bench.pages import difference
from loupe.core import numbers

HEAD = ("", "n", "figure")


def screen_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """A line a figure: what it is, over how many, and its value with its interval."""
    rows = [
        ("right, of all answers", found["n"], numbers.interval(*found["accuracy"])),
        ("right, where one image is better", found["n_better"], numbers.interval(*found["accuracy_better"])),
        ("right, where both are alike", found["n_alike"], numbers.interval(*found["accuracy_alike"])),
        ("right in both orders, of pairs", found["n_both"], numbers.interval(*found["right_in_both"])),
        ("same answer in both orders, of pairs", found["n_both"], numbers.interval(*found["consistency"])),
        ("says Image A less Image B", 2 * found["n_both"], difference(found["first_place_bias"])),
    ]
    if found["ranked"]:
        n = found["ranked"]["n"]
        rows += [
            (f"{key.upper()} of the ranking", n, numbers.interval(*found["ranked"][key])) for key in ("srcc", "plcc")
        ]
    return [(what, numbers.count(n), figure) for what, n, figure in rows]


def notes(found: Mapping[str, Any]) -> list[str]:
    """What has to be known to read the figures, a sentence or two each."""
    share = numbers.percent(found["unusable_share"])
    said = [
        f"{numbers.count(found['unusable'])} of {numbers.count(found['n'])} answers ({share}) were unusable, "
        "counted as wrong."
    ]
    if not found["n_both"]:
        said.append("No pair was shown in both orders: a preference for a place cannot be told from knowledge here.")
    if 2 * found["unusable"] > found["n"]:
        said.append("More than half were unusable: does the agent know this protocol?")
    if ranking := found["ranked"]:
        said.append(
            f"The ranking is of the {numbers.count(ranking['n'])} rated images of {numbers.count(ranking['n_images'])} "
            f"that comparisons link, {numbers.fixed(ranking['comparisons'], 1)} answers an image."
        )
    elif found["unusable"] < found["n"]:
        said.append(
            "No ranking: it wants three rated images of one data set or more that usable answers link, and at most "
            f"{numbers.count(MOST_IMAGES)}."
        )
    return said
