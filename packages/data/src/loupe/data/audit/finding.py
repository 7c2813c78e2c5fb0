"""What a check of a data folder says: one record a check, the same for the screen, the page and audit.json.

A check fails where numbers that are made with the folder would be wrong, and warns where a person should look before
they believe them. Ours.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

NAMED = 8
"""Examples that a finding names; the rest is counted."""


class Status(StrEnum):
    """How a check ended, from good to bad but for the first."""

    SKIPPED = "skipped"
    """There was nothing to check it on."""
    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two images that look alike; `distance` is the number of the 64 bits of their hashes that differ, 0..64."""

    first: str
    second: str
    splits: tuple[str, str]
    distance: int
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of one data set, or of the whole folder (`dataset` None).

    `found` and `advice` are sentences; `numbers` are plain values by name; `examples` are short texts which may hold
    file names, and are untrusted; `pairs` are pictures worth showing side by side.
    """

    name: str
    status: Status
    found: str
    advice: str = ""
    dataset: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict[str, Any])
    examples: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()


def worst(findings: Iterable[Finding]) -> Status:
    """The worst status among the findings; OK where nothing warns or fails."""
    found = {finding.status for finding in findings}
    return next((status for status in (Status.FAIL, Status.WARN) if status in found), Status.OK)


def named(items: Iterable[str]) -> tuple[str, ...]:
    """The first NAMED of the items; a last one counts the rest."""
    whole = list(items)
    rest = len(whole) - NAMED
    return (*whole[:NAMED], f"and {rest:,} more") if rest > 0 else tuple(whole)
