"""Is it the agent's own crop that helps? Beside crops of equal area elsewhere, the whole image once more in place of a
crop (equal tokens), and no second look; the true region is the ceiling of aiming.

An agent that gains as much from a random crop has gained from a crop, not from choosing one; an agent that gains as
much from the whole image once more has gained from a second answer, not from looking closer.
"""

from loupe.bench.audit.material import Keep, Material, class_right, error, images_in
from loupe.bench.audit.rows import ABOVE_ZERO, Figure, Row
from loupe.zoom.look import Look

SECTION = "The agent's own crop against other looks"
SUBSETS: dict[str, Keep] = {"all": lambda item: True, "hard": lambda item: item.sample.hard is True}
CONTROLS = {
    Look.RANDOM: (
        "a random crop of equal area",
        "its boxes are worse than chance: it looks away from the damage, or reads the crop as if it were the image",
    ),
    Look.CENTRE: (
        "the centre, of equal area",
        "the centre holds part of the damage almost wherever it lies, and some of the agent's own crops miss it wholly",
    ),
    Look.WHOLE: (
        "no crop at equal tokens",
        "what helped was a second answer, and a crop hides the rest of the image from it",
    ),
    Look.NEVER: (
        "no zoom",
        "zooming does harm: crops shake ratings that were right, or the agent was trained to answer at once",
    ),
}
"""Words for each control, and what a red row is likely due to."""


def own_crop(material: Material) -> list[Row]:
    """A row for each control on all and on hard images, and the ceiling, which is not judged."""
    rows = [
        _row(material, look, subset, words=words, reason=reason)
        for subset in SUBSETS
        for look, (words, reason) in CONTROLS.items()
    ]
    ceilings = [_row(material, Look.TRUTH, subset, words="the true region (ceiling)") for subset in SUBSETS]
    return [*rows, *ceilings]


def by_look(material: Material) -> dict[str, dict[str, dict[str, object]]]:
    """By look and subset: the plain figures behind the differences."""
    looks = (Look.DECIDED, *CONTROLS, Look.TRUTH)
    return {look.value: {subset: _figures(material, look, subset) for subset in SUBSETS} for look in looks}


def _row(material: Material, look: Look, subset: str, *, words: str, reason: str = "") -> Row:
    own = material.of(Look.DECIDED.value, keep=SUBSETS[subset])
    other = material.of(look.value, keep=SUBSETS[subset])
    limits = ABOVE_ZERO if look is not Look.TRUTH else None
    figures = (
        Figure("SRCC", material.srcc_change(own, other), limits),
        Figure("class accuracy", material.change(own, other, class_right), limits),
        Figure("rating error saved", material.change(other, own, error), limits),
    )
    name = f"own crop less {words}, {subset} images"
    return Row(SECTION, name, images_in(own), figures, reason, seeds=len(other))


def _figures(material: Material, look: Look, subset: str) -> dict[str, object]:
    runs = material.of(look.value, keep=SUBSETS[subset])
    return {
        "n": images_in(runs),
        "seeds": len(runs),
        "srcc": list(material.srcc(runs)),
        "class_accuracy": list(material.mean(runs, class_right)),
        "rating_error": list(material.mean(runs, error)),
    }
