"""All known traps by the data set that has them, in the order in which they are reported."""

from collections.abc import Callable

from loupe.data.audit.by_dataset import Rated
from loupe.data.audit.finding import Finding
from loupe.data.audit.folder import Seen
from loupe.data.audit.recognise import recognise
from loupe.data.audit.traps.kadid import kadid_direction, kadid_variance
from loupe.data.audit.traps.lists import csiq_without_blur, live_reference_copies, livec_training_images
from loupe.data.audit.traps.scales import (
    agiqa_std,
    koniq_two_scales,
    pipal_elo,
    spaq_std,
    tid2013_soft_levels,
)
from loupe.data.audit.traps.trap import Met, finding

Trap = Callable[[Rated, Seen], Met | None]


def _of_labels(trap: Callable[[Rated], Met | None]) -> Trap:
    return lambda rated, _: trap(rated)


TRAPS: dict[str, dict[str, Trap]] = {
    "koniq": {"KonIQ's two scales": _of_labels(koniq_two_scales)},
    "kadid": {
        "KADID's variance column": _of_labels(kadid_variance),
        "KADID's dmos is higher for better": _of_labels(kadid_direction),
    },
    "spaq": {"SPAQ's std from elsewhere": _of_labels(spaq_std)},
    "livec": {"LIVE in the Wild's seven training images": _of_labels(livec_training_images)},
    "live": {"LIVE lists with reference copies": live_reference_copies},
    "csiq": {"CSIQ lists without blur": _of_labels(csiq_without_blur)},
    "tid2013": {"TID2013's std is not Gaussian": _of_labels(tid2013_soft_levels)},
    "pipal": {"PIPAL's Elo scale": _of_labels(pipal_elo)},
    "agiqa": {"AGIQA's std on the raw scale": _of_labels(agiqa_std)},
}
"""Function that recognises a trap, by its name, by the key that `recognise` gives."""


def check_traps(rated: Rated, seen: Seen) -> list[Finding]:
    """A finding for each trap of the data set that the rows come from; none for a set without known ones."""
    known = TRAPS.get(recognise(rated.dataset, rated.samples) or "", {})
    return [finding(name, rated, trap(rated, seen)) for name, trap in known.items()]
