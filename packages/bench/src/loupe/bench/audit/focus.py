"""Is a shallow depth of field taken for blur? Sharp subjects before soft backgrounds, beside real blur as strong.

The untouched image is the zero of both: what the agent calls blur there anyway, and how it rates it. Images have no
content to speak of where they are synthetic; an agent that has only ever seen blur as damage cannot pass, and the row
says so.
"""

from collections.abc import Sequence
from statistics import fmean

from loupe.bench.audit.crossed import mean_of
from loupe.bench.audit.material import Material, Seeds, Value, rating, says
from loupe.bench.audit.rows import ABOVE_ZERO, Figure, Limits, Row
from loupe.bench.audit.sets import KINDS, PRISTINE, SHALLOW, source_of
from loupe.bench.correlate import UNDEFINED, Interval
from loupe.bench.predictions import Prediction
from loupe.zoom.look import Look

SECTION = "Shallow depth of field on purpose"
ALARM = Limits(higher_is_better=False, red=0.0, green=0.05)
DROP = Limits(higher_is_better=False, red=0.0, green=0.1)
REASON = "it judges pixels, not the picture: every soft part counts as blur, whether or not the subject is sharp"
NO_GAP = "it does not tell where the blur lies: a soft background weighs as much as a soft subject"
WORDS = {"shallow": "shallow depth of field", "whole": "blur of the whole image", "subject": "blur of the subject"}


def focus(material: Material) -> list[Row]:
    """Shallow focus against the untouched image, and real blur against shallow focus."""
    n = len({source_of(item.sample) for run in material.of("decided", SHALLOW)[:1] for item in run})
    seeds = len(material.of(Look.DECIDED.value, SHALLOW))
    bokeh = (
        Figure("called blur", _difference(material, "shallow", None, says("blur")), ALARM),
        Figure("rating drop", _difference(material, None, "shallow", rating), DROP),
    )
    rows = [Row(SECTION, "shallow depth of field less the untouched image", n, bokeh, REASON, seeds=seeds)]
    for kind in ("whole", "subject"):
        gap = (
            Figure("called blur", _difference(material, kind, "shallow", says("blur")), ABOVE_ZERO),
            Figure("rating drop", _difference(material, "shallow", kind, rating), ABOVE_ZERO),
        )
        rows.append(Row(SECTION, f"{WORDS[kind]} less shallow depth of field", n, gap, NO_GAP, seeds=seeds))
    return rows


def focus_shares(material: Material) -> dict[str, dict[str, list[float]]]:
    """By kind, the untouched image first: the share called blur, and the rating drop from the untouched image."""
    return {
        kind or "untouched": {
            "called_blur": list(_level(material, kind, says("blur"))),
            "rating_drop": list(_difference(material, None, kind, rating)),
        }
        for kind in (None, *KINDS)
    }


def _difference(material: Material, first: str | None, second: str | None, value: Value) -> Interval:
    """Mean over sources of a number under `first` less that under `second`; None is the untouched image."""
    if not material.of(Look.DECIDED.value, SHALLOW):
        return UNDEFINED
    pairs = zip(_by_source(material, first, value), _by_source(material, second, value), strict=True)
    return material.over(_untouched(material), [mean_of([x[id] - y[id] for id in x]) for x, y in pairs])


def _level(material: Material, kind: str | None, value: Value) -> Interval:
    if not material.of(Look.DECIDED.value, SHALLOW):
        return UNDEFINED
    return material.over(_untouched(material), [mean_of(list(x.values())) for x in _by_source(material, kind, value)])


def _by_source(material: Material, kind: str | None, value: Value) -> list[dict[str, float]]:
    """Per seed, by untouched image in one order: the mean number over the strengths of a kind."""
    runs = _untouched(material) if kind is None else material.of(Look.DECIDED.value, SHALLOW)
    return [_means([item for item in run if kind in (None, item.sample.dataset)], value) for run in runs]


def _means(items: Sequence[Prediction], value: Value) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for item in items:
        found.setdefault(source_of(item.sample), []).append(value(item))
    return {id: fmean(numbers) for id, numbers in found.items()}


def _untouched(material: Material) -> Seeds:
    """The images that the others were made of, untouched, per seed."""
    made = {source_of(item.sample) for run in material.of(Look.DECIDED.value, SHALLOW)[:1] for item in run}
    return material.of(Look.DECIDED.value, PRISTINE, keep=lambda item: item.sample.id in made)
