"""The tables of restoration as text cells, for the screen, for Markdown and for the page."""

from collections.abc import Mapping
from typing import Any

from loupe.bench.pages import difference
from loupe.bench.restoration.arms import ARMS
from loupe.bench.restoration.results import CLASSES, DIFFERENCES, HARM
from loupe.bench.text_table import TextTable, markdown_table
from loupe.core import numbers
from loupe.core.records import SEVERITIES

Data = Mapping[str, Any]
"""The contents of restoration.json."""


def gain_table(data: Data) -> TextTable:
    """A line an arm and a difference: mean gain in rating, PSNR and SSIM, and the share of images made worse."""
    found = data["results"]["all"]
    metrics = found["metrics"]
    rows = [(arm, *_cells(metrics, "gain", arm), numbers.percent(found["made_worse"][arm])) for arm in ARMS]
    rows += [(f"{a} - {b}", *_cells(metrics, "difference", f"{a} - {b}"), numbers.DASH) for a, b in DIFFERENCES]
    return TextTable(("gain of", "rating", "PSNR, dB", "SSIM", "made worse"), tuple(rows))


def class_table(data: Data, *, short: bool = False) -> TextTable:
    """A line a true class: how many images, their rating, the mean gain in rating of each arm, agent less fixed.

    The short one fits a terminal and leaves out the random arms.
    """
    arms = ("fixed", "agent", "truth") if short else ARMS[1:]
    rows = [
        (
            name,
            numbers.count(found["n"]),
            numbers.rating(metric["before"]),
            *(difference(metric["gain"][arm]) for arm in arms),
            difference(metric["difference"]["agent - fixed"]),
        )
        for name in CLASSES
        if (found := data["results"].get(name))
        for metric in [found["metrics"]["rating"]]
    ]
    return TextTable(("class", "n", "rating", *arms, "agent - fixed"), tuple(rows))


def fixed_words(data: Data) -> str:
    """The fixed remedy and what it gained on the split that it was chosen on."""
    best, split = data["fixed"][0], data["config"]["chosen_on"]
    return (
        f"the remedy against {SEVERITIES[best['level'] - 1]} {best['distortion_class']}, best of "
        f"{numbers.count(len(data['fixed']))} on the split {split} ({numbers.signed(best['gain'])} rating)"
    )


def notes(data: Data) -> list[str]:
    """What has to be known to read the tables, a sentence or two each."""
    found, config = data["results"]["all"], data["config"]
    metrics, told = found["metrics"], data["diagnosis"]
    return [
        f"{numbers.count(found['n'])} images of {numbers.count(found['pristine'])} pristine ones, split "
        f"{config['split']}; mean rating {numbers.rating(metrics['rating']['before'])} before. Means with 95 % "
        f"bootstrap intervals over pristine images, {numbers.count(config['n_boot'])} draws; differences are paired.",
        "Rating is Loupe's full-reference measure, 1 to 5, against the pristine image, which is made again. PSNR is "
        f"over the {numbers.count(metrics['psnr']['n'])} images that differ from their pristine one. Made worse: the "
        f"rating falls by more than {numbers.fixed(HARM, 2)}.",
        f"Fixed: {fixed_words(data)}. Random: class, level and place drawn as damage is. Dealt: what the agent said of "
        f"an image of another pristine one. Of both, the mean of {numbers.count(config['random_seeds'])} draws.",
        f"The agent named the class of {numbers.percent(told['right'])} of the images (clean is one): there it gained "
        f"{difference(told['gain_right'])} in rating, on the others {difference(told['gain_wrong'])}.",
        "The remedies' own numbers were chosen on the pristine images of the pocket recipe's validation split.",
    ]


def markdown(data: Data) -> str:
    """Both tables and the notes."""
    tables = [markdown_table(gain_table(data)), markdown_table(class_table(data))]
    return "\n\n".join([tables[0], "Gain in rating by true class:", tables[1], *notes(data)]) + "\n"


def _cells(metrics: Mapping[str, Any], kind: str, name: str) -> tuple[str, ...]:
    return tuple(difference(metrics[metric][kind][name]) for metric in ("rating", "psnr", "ssim"))
