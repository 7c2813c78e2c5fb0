"""Images with the same bytes, inside a split and across splits. Ours.

Files of one size are compared by SHA-256. A file that rows of two splits name is a duplicate like any other.
"""

import math
from collections import defaultdict
from typing import Any

from loupe.core import numbers
from loupe.core.printable import printable
from loupe.core.records import Sample
from loupe.data.audit.finding import NAMED, Finding, Pair, Status, named
from loupe.data.audit.folder import Seen


def check_exact(seen: Seen) -> Finding:
    """Fails where an image of one split is in another one too, warns of copies inside a split.

    Copies of one reference, in one split and with one rating, are expected: undamaged versions are equal.
    """
    name = "exact duplicates"
    found_groups = [group for group in copies(seen) if len(group) > 1]
    groups = [group for group in found_groups if not _expected(group)]
    # What crosses splits is worse, and named first.
    groups.sort(key=lambda group: (len({sample.split for sample in group}) == 1, group[0].id))
    across = [group for group in groups if len({sample.split for sample in group}) > 1]
    gaps = [_rating_gap(group) for group in groups]
    found: dict[str, Any] = {
        "expected_groups": len(found_groups) - len(groups),
        "groups": len(groups),
        "groups_across": len(across),
        "images": sum(len(group) for group in groups),
        "largest_rating_difference": max(gaps, default=0.0),
    }
    if not groups:
        words = "no two images have the same bytes"
        if found_groups:
            words += f", but for {numbers.count(len(found_groups))} groups of one reference, split and rating"
        return Finding(name, Status.OK, words, numbers=found)
    words = f"{numbers.count(found['images'])} images have the bytes of another one"
    words += f" (groups: {numbers.count(len(groups))}, of them across splits: {numbers.count(len(across))})"
    words += "; their ratings differ by up to "
    words += numbers.rating(found["largest_rating_difference"])
    advice = "keep one image of each group, or give the group one ref_id and one rating, and split by ref_id"
    status = Status.FAIL if across else Status.WARN
    lines = (" = ".join(f"{printable(s.image)} ({s.split})" for s in group[:4]) for group in groups)
    return Finding(name, status, words, advice, None, found, named(lines), _pairs(groups))


def copies(seen: Seen) -> list[list[Sample]]:
    """Rows by the bytes of their image, rows without a file left out; a file whose size is its own stands alone."""
    groups: dict[str, list[Sample]] = defaultdict(list)
    for sample in seen.samples:
        if (facts := seen.facts.get(sample.image)) is not None:
            groups[facts.sha256 or facts.image.path].append(sample)
    return list(groups.values())


def _rating_gap(group: list[Sample]) -> float:
    rated = [sample.rating for sample in group if math.isfinite(sample.rating)]
    return max(rated) - min(rated) if rated else 0.0


def _expected(group: list[Sample]) -> bool:
    first = group[0]
    kinds = {(sample.split, sample.dataset, sample.ref_id) for sample in group}
    files = {sample.image for sample in group}
    return first.ref_id is not None and len(kinds) == 1 and len(files) == len(group) and _rating_gap(group) == 0


def _pairs(groups: list[list[Sample]]) -> tuple[Pair, ...]:
    """One pair a group for the page, of two splits where there are two."""
    made: list[Pair] = []
    for group in groups[:NAMED]:
        by_split = {sample.split: sample for sample in group}
        first, second = list(by_split.values())[:2] if len(by_split) > 1 else group[:2]
        made.append(Pair(first.image, second.image, (first.split, second.split), 0, exact=True))
    return tuple(made)
