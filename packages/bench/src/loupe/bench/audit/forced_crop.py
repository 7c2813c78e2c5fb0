"""Does a crop imply degradation? Undamaged images, judged without zoom and with a crop that the agent has to look at.

There is nothing to find, so an honest rating stays where it was and no damage is named. An agent that learnt "whoever
is shown a crop finds damage in it" rates lower.
"""

from loupe.bench.audit.material import Material, images_in, rating, says
from loupe.bench.audit.rows import Figure, Limits, Row
from loupe.bench.audit.sets import PRISTINE
from loupe.bench.correlate import Interval
from loupe.core.records import DISTORTION_CLASSES
from loupe.zoom.look import Look

SECTION = "Undamaged images with a forced crop"
RATING = Limits(red=0.0, green=-0.1)
"""Change of a rating: a tenth of a point is the step in which the pocket agent writes."""
ALARM = Limits(higher_is_better=False, red=0.0, green=0.05)
"""Change of a share of false alarms."""
REASON = "cropping implies degradation: in its training a crop was mostly followed by damage"


def forced_crop(material: Material) -> list[Row]:
    """The change that a forced crop brings, and below it the shares of false alarms, which are not judged."""
    forced, never = material.of(Look.FORCED.value, PRISTINE), material.of(Look.NEVER.value, PRISTINE)
    alarm = says(*DISTORTION_CLASSES)
    change = (
        Figure("rating", material.change(forced, never, rating), RATING),
        Figure("called damaged", material.change(forced, never, alarm), ALARM),
    )
    shares = (
        Figure("with a forced crop", material.mean(forced, alarm), signed=False),
        Figure("without zoom", material.mean(never, alarm), signed=False),
    )
    n, seeds = images_in(forced), len(forced)
    return [
        Row(SECTION, "forced crop less no zoom", n, change, REASON, seeds=seeds),
        Row(SECTION, "share of undamaged images called damaged", n, shares, "", seeds=seeds),
    ]


def drop(material: Material) -> Interval:
    """Points that an undamaged image loses by a forced crop."""
    forced, never = material.of(Look.FORCED.value, PRISTINE), material.of(Look.NEVER.value, PRISTINE)
    return material.change(never, forced, rating)
