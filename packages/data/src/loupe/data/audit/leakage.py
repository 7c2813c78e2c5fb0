"""Whether a reference is behind images of more than one split: a model that learnt its content is then tested on it.

References are compared by their id within a data set, and by the bytes of the reference files, for the same picture may
have several names; an image that is itself the reference of another split counts too. Ours.
"""

from collections import defaultdict
from typing import Any

from loupe.core import numbers
from loupe.core.printable import printable
from loupe.data.audit.finding import Finding, Status, named
from loupe.data.audit.folder import Seen


def check_leakage(seen: Seen) -> Finding:
    """Fails where a ref_id, or the bytes of a reference, are in more than one split; skipped where there are none."""
    name = "reference leakage"
    ids = _splits_of_ids(seen)
    contents = _splits_of_contents(seen)
    if not ids and not contents:
        return Finding(name, Status.SKIPPED, "no ref_id and no references")
    by_id = {ref: splits for ref, splits in ids.items() if len(splits) > 1}
    by_bytes = {path: splits for path, splits in contents.items() if len(splits) > 1}
    splits = {sample.split for sample in seen.samples}
    found: dict[str, Any] = {
        "ref_ids": len(ids),
        "ref_ids_in_several_splits": len(by_id),
        "reference_files": len(seen.references),
        "reference_contents_in_several_splits": len(by_bytes),
    }
    if not by_id and not by_bytes:
        words = f"{numbers.count(len(ids))} references, none in more than one of {len(splits)} splits"
        return Finding(name, Status.OK, words, numbers=found)
    words = f"{numbers.count(len(by_id))} of {numbers.count(len(ids))} references are in several splits by their id"
    words += f", {numbers.count(len(by_bytes))} by the bytes of the file"
    lines = [f"{printable(ref)}: {', '.join(sorted(by_id[ref]))}" for ref in sorted(by_id)]
    lines += [f"{printable(path)}: {', '.join(sorted(by_bytes[path]))}" for path in sorted(by_bytes)]
    advice = "split by reference, so that no content of the training is in a test"
    return Finding(name, Status.FAIL, words, advice, None, found, named(lines))


def _splits_of_ids(seen: Seen) -> dict[str, set[str]]:
    made: dict[str, set[str]] = defaultdict(set)
    for sample in seen.samples:
        if sample.ref_id is not None:
            made[f"{sample.dataset}: {sample.ref_id}"].add(sample.split)
    return made


def _splits_of_contents(seen: Seen) -> dict[str, set[str]]:
    """Splits by the bytes of a reference; named by the first path that has them."""
    names: dict[str, str] = {}
    made: dict[str, set[str]] = defaultdict(set)
    for sample in seen.samples:
        facts = seen.references.get(sample.reference or "")
        if facts is not None and facts.sha256 is not None:
            name = names.setdefault(facts.sha256, sample.reference or "")
            made[name].add(sample.split)
    for sample in seen.samples:
        facts = seen.facts.get(sample.image)
        if facts is not None and facts.sha256 in names:
            made[names[facts.sha256]].add(sample.split)
    return made
