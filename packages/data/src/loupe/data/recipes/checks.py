"""Whether a release is what its recipe says: scale, ranges and counts, with the known traps by their names."""

from collections.abc import Sequence

from loupe.core.errors import DataError
from loupe.core.numbers import count
from loupe.core.printable import printable
from loupe.data.recipes.flavours import flavours_of
from loupe.data.recipes.gaps import Gaps
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.survey import Survey

ROUNDING, SHARE = 0.006, 0.001
"""What an expected end of a range may be off, or that share of the range: recipes give two or three digits."""


def check_scale(found: Survey, recipe: Recipe, *, whole: Recipe) -> None:
    """Raises DataError where opinions lie outside of the nominal scale; names the flavours of `whole` that they fit."""
    if not found.outside:
        return
    low, high = found.mos.low, found.mos.high
    fits = [
        name
        for name, form in flavours_of(whole).items()
        if name and name != recipe.flavour and _holds(form, low) and _holds(form, high)
    ]
    hint = (
        f"that is the scale of flavour={' or '.join(fits)}" if fits else "set scale_min and scale_max of these labels"
    )
    raise DataError(
        f"{count(found.outside)} of {count(found.rows)} opinions lie outside of the nominal scale "
        f"{recipe.scale_min:g} to {recipe.scale_max:g} (first {printable(found.first_outside)}); they run from {low:g} "
        f"to {high:g}: {hint}"
    )


def check_release(found: Survey, recipe: Recipe, gaps: Gaps) -> None:
    """Note in `gaps` what differs from the full release: rows, references, ranges, and distortions that no row has."""
    want = recipe.expected
    if want.rows is not None and found.rows != want.rows:
        trap = want.known_counts.get(found.rows)
        gaps.remark(f"{count(found.rows)} rows where the release has {count(want.rows)}{f': {trap}' if trap else ''}")
    if want.references is not None and recipe.split.by != "image" and found.groups != want.references:
        gaps.remark(f"{count(found.groups)} references where the release has {count(want.references)}")
    whole = want.rows in (None, found.rows)
    _check_range("opinions", found.mos.ends(), want.mos, gaps, whole=whole)
    _check_std(found, recipe, gaps, whole=whole)
    # A form that holds any data set may list words that this one does not have; a release has all of its own.
    if want.rows is not None and recipe.distortions and found.words:
        absent = [word for word in recipe.distortions if word.casefold() not in found.words]
        if absent:
            gaps.remark(f"no row has the distortion {', '.join(absent)}")


def _check_std(found: Survey, recipe: Recipe, gaps: Gaps, *, whole: bool) -> None:
    ends, want = found.std.ends(), recipe.expected.std
    # A form that holds any data set reads deviations where there are some; a release has them or has not.
    if recipe.std != "none" and ends is None and recipe.expected.rows is not None:
        gaps.remark("the label file has no deviation, and the recipe says that it has")
    if ends is None or want is None:
        return
    if recipe.std == "std" and ends[1] > want[1] + ROUNDING and abs(ends[1] ** 0.5 - want[1]) < ROUNDING:
        gaps.remark(
            f"deviations reach {ends[1]:.3f}, the square of the {want[1]:.3f} that the release has: the column holds "
            "variances, whatever it is called; set std=variance"
        )
        return
    _check_range("deviations", ends, want, gaps, whole=whole)


def _check_range(
    what: str, ends: Sequence[float] | None, want: Sequence[float] | None, gaps: Gaps, *, whole: bool
) -> None:
    """A part of a release may have a narrower range than the `whole`, never a wider one."""
    if ends is None or want is None:
        return
    slack = max(ROUNDING, SHARE * (want[1] - want[0]))
    wider = ends[0] < want[0] - slack or ends[1] > want[1] + slack
    narrower = ends[0] > want[0] + slack or ends[1] < want[1] - slack
    if wider or (whole and narrower):
        gaps.remark(f"{what} run from {ends[0]:.3f} to {ends[1]:.3f}; in the release from {want[0]:g} to {want[1]:g}")


def _holds(form: Recipe, value: float) -> bool:
    low, high = form.scale_min, form.scale_max
    return low is not None and high is not None and low <= value <= high
