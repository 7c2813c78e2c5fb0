"""What a trap is: a fault of a known release, or of a list of it that many use, recognised in the rows of a folder."""

from dataclasses import dataclass

from loupe.data.audit.by_dataset import Rated
from loupe.data.audit.finding import Finding, Status


@dataclass(frozen=True, slots=True)
class Met:
    """What of a trap was met: `status` FAIL where labels or rows are wrong, WARN where they are not the whole set."""

    status: Status
    found: str
    advice: str
    examples: tuple[str, ...] = ()


def finding(name: str, rated: Rated, met: Met | None) -> Finding:
    """The finding of a trap; OK where it was not met."""
    if met is None:
        return Finding(f"trap: {name}", Status.OK, "not met", dataset=rated.dataset)
    return Finding(f"trap: {name}", met.status, met.found, met.advice, rated.dataset, examples=met.examples)
