"""Images that look alike without having the same bytes: re-encoded, resized, or another distortion of one picture.

Two images are near-duplicates where their 64-bit perceptual hashes differ in few bits. What shares its reference inside
one split is expected and neither counted nor listed, and what has the same bytes is in the list of exact duplicates.
Images of one flat tone have no hash and are left out. Ours.
"""

from collections import Counter
from collections.abc import Iterator
from functools import cached_property
from itertools import combinations, islice, product
from typing import Any

import numpy as np

from loupe.core import numbers
from loupe.core.printable import printable
from loupe.core.records import Sample
from loupe.data.audit.finding import NAMED, Finding, Pair, Status
from loupe.data.audit.folder import SPLITS, Seen
from loupe.data.audit.hamming import near_pairs

SHOWN = 3 * NAMED
"""Pairs that are handed on at most, for the page to draw: those across splits first, then the closest."""
_TRIED = 2000
"""Pairs of two groups of equal hashes that are searched for one to show."""

Kin = tuple[str, str, str]
"""Split, family (what shares a reference) and content (what shares its bytes) of a row."""


class Alike:
    """The rows whose images have one and the same hash, and how many there are of each kin."""

    def __init__(self) -> None:
        self.rows: list[tuple[Sample, Kin]] = []

    @cached_property
    def counts(self) -> dict[tuple[int, ...], Counter[tuple[str, ...]]]:
        """Rows by each set of parts of their kin that pairs are counted by."""
        wanted = ((), (0,), (2,), (0, 1), (0, 2), (0, 1, 2))
        return {parts: Counter(tuple(kin[part] for part in parts) for _, kin in self.rows) for parts in wanted}


def check_near(seen: Seen, *, distance: int) -> Finding:
    """Fails where near-duplicates cross splits, warns of those inside a split that do not share a reference."""
    name = "near duplicates"
    alike, flat = by_hash(seen)
    if not alike:
        return Finding(name, Status.SKIPPED, "no image could be hashed", numbers={"flat": flat})
    across, inside, pairs = count_near(alike, distance=distance)
    found: dict[str, Any] = {"pairs_across": across, "pairs_inside": inside, "distance": distance}
    found |= {"hashes": len(alike), "flat": flat}
    words = f"{numbers.count(across)} pairs across splits, {numbers.count(inside)} inside one without a common ref_id"
    words += f", at most {distance} of 64 bits apart"
    if flat:
        words += f"; {numbers.count(flat)} flat images have no hash"
    if not across and not inside:
        return Finding(name, Status.OK, words, numbers=found)
    lines = (
        f"{printable(p.first)} ({p.splits[0]}) ~ {printable(p.second)} ({p.splits[1]}): {p.distance}" for p in pairs
    )
    advice = "look at the pairs; give what shows one picture a common ref_id and split by it, or drop one of the two"
    status = Status.FAIL if across else Status.WARN
    return Finding(name, status, words, advice, None, found, tuple(islice(lines, NAMED)), tuple(pairs[:SHOWN]))


def by_hash(seen: Seen) -> tuple[dict[str, Alike], int]:
    """Rows by the hash of their image, and the number of flat images, which have none."""
    alike: dict[str, Alike] = {}
    flat: set[str] = set()
    for sample in seen.samples:
        facts = seen.of(sample)
        if facts is None:
            continue
        if facts.phash is None:
            flat.add(sample.image)
            continue
        own = f"row {sample.split} {sample.id}"
        family = own if sample.ref_id is None else f"ref {sample.dataset} {sample.ref_id}"
        kin = (sample.split, family, facts.sha256 or facts.image.path)
        alike.setdefault(facts.phash, Alike()).rows.append((sample, kin))
    return alike, len(flat)


def count_near(alike: dict[str, Alike], *, distance: int) -> tuple[int, int, list[Pair]]:
    """Near pairs across splits, unexpected ones inside a split, and up to SHOWN of each to draw: across first, then the
    closest; an image is in one of them at most."""
    hashes = sorted(alike)
    keys = np.array([int(text, 16) for text in hashes], np.uint64)
    close = near_pairs(keys, distance)
    across = inside = 0
    crossing: list[Pair] = []
    staying: list[Pair] = []
    drawn: set[str] = set()
    groups = [(alike[text], alike[text], 0) for text in hashes if len(alike[text].rows) > 1]
    apart = close[np.argsort(close[:, 2], kind="stable")]
    others = ((alike[hashes[i]], alike[hashes[j]], int(bits)) for i, j, bits in apart)
    for one, other, bits in (*groups, *others):
        two, same = tally(one, other)
        across, inside = across + two, inside + same
        for count, kept, crosses in ((two, crossing, True), (same, staying, False)):
            if count and len(kept) < SHOWN:
                # An image is drawn once, so that a family of many versions does not fill the page.
                pairs = (p for p in _pairs(one, other, bits, across=crosses) if drawn.isdisjoint((p.first, p.second)))
                kept += islice(pairs, 1)
                drawn |= {name for pair in kept[-1:] for name in (pair.first, pair.second)}
    return across, inside, [*crossing, *staying]


def tally(one: Alike, other: Alike) -> tuple[int, int]:
    """Pairs of a row of each group (of two rows, where both are one group) across splits and unexpected inside one."""
    if len(one.rows) == len(other.rows) == 1:
        (_, (split, family, _)), (_, (split_2, family_2, _)) = one.rows[0], other.rows[0]
        return int(split != split_2), int(split == split_2 and family != family_2)

    def agreeing(*parts: int) -> int:
        first, second = one.counts[parts], other.counts[parts]
        if one is other:
            return sum(count * (count - 1) // 2 for count in first.values())
        return sum(count * second[key] for key, count in first.items())

    across = agreeing() - agreeing(0) - agreeing(2) + agreeing(0, 2)
    inside = agreeing(0) - agreeing(0, 1) - agreeing(0, 2) + agreeing(0, 1, 2)
    return across, inside


def _pairs(one: Alike, other: Alike, bits: int, *, across: bool) -> Iterator[Pair]:
    """Pairs of the two groups that are counted, among the first ones."""
    both = combinations(one.rows, 2) if one is other else product(one.rows, other.rows)
    for (first, kin), (second, kin_2) in islice(both, _TRIED):
        crosses = kin[0] != kin_2[0]
        if kin[2] != kin_2[2] and crosses is across and (crosses or kin[1] != kin_2[1]):
            # Training first, then validation, then test, whichever hash is smaller.
            left, right = sorted((first, second), key=lambda row: SPLITS.index(row.split))
            yield Pair(left.image, right.image, (left.split, right.split), bits)
