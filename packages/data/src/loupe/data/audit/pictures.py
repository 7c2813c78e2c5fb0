"""Whether every row has an image that can be decoded, and whether the sizes are those of one collection. Ours."""

from collections import Counter
from typing import Any

import numpy as np

from loupe.core import numbers
from loupe.core.printable import printable
from loupe.data.audit.finding import Finding, Status, named
from loupe.data.audit.folder import Seen

SMALLEST = 64
"""Shortest side in pixels under which there is little to judge."""
LONGEST_RATIO = 4.0
"""Ratio of the sides beyond which a picture is a strip."""
FAR = 4.0
"""Times the usual short side that a picture may be larger or smaller than the others."""


def check_files(seen: Seen) -> Finding:
    """Fails where an image or a reference of a row is missing or cannot be decoded."""
    images = {sample.image for sample in seen.samples}
    broken = {name: facts.problem for name, facts in {**seen.references, **seen.facts}.items() if facts.problem}
    troubles = {**seen.missing, **broken}
    lines = [f"{printable(name)}: {_reason(why, name)}" for name, why in sorted(troubles.items())]
    found: dict[str, Any] = {
        "images": len(images),
        "missing": len(images & set(seen.missing)),
        "undecodable": len(images & set(broken)),
        "references_missing": len(set(seen.missing) - images),
        "references_undecodable": len(set(broken) - images),
    }
    if not lines:
        return Finding("images decode", Status.OK, f"all {numbers.count(len(images))} decode", numbers=found)
    lost = f"{numbers.count(found['missing'])} missing, {numbers.count(found['undecodable'])} undecodable images"
    others = found["references_missing"] + found["references_undecodable"]
    advice = "copy or download these files again, or build the folder without their rows"
    if found["missing"] == len(images):
        advice = "the folder has labels alone: build it with place=link, or copy the images into it"
    return Finding(
        "images decode",
        Status.FAIL,
        f"{lost} of {numbers.count(len(images))}; {numbers.count(others)} references cannot be used",
        advice,
        numbers=found,
        examples=named(lines),
    )


def check_sizes(seen: Seen) -> Finding:
    """Warns of very small images, of strips, and of images far from the usual size: often thumbnails or other files."""
    sizes = {s.image: (f.width, f.height) for s in seen.samples if (f := seen.of(s)) is not None}
    if not sizes:
        return Finding("image sizes", Status.SKIPPED, "no image could be decoded")
    shortest = np.array([min(size) for size in sizes.values()])
    usual = float(np.median(shortest))
    odd = {name: why for name, size in sizes.items() if (why := _odd(size, usual))}
    common = Counter(sizes.values()).most_common(1)[0]
    found: dict[str, Any] = {
        "sizes": len(set(sizes.values())),
        "commonest": list(common[0]),
        "commonest_share": common[1] / len(sizes),
        "usual_short_side": usual,
        "smallest_short_side": int(shortest.min()),
        "largest_long_side": max(max(size) for size in sizes.values()),
        "odd": len(odd),
    }
    words = (
        f"sizes: {numbers.count(found['sizes'])}, {common[0][0]} x {common[0][1]} the commonest "
        f"({numbers.percent(found['commonest_share'])})"
    )
    if not odd:
        return Finding("image sizes", Status.OK, words, numbers=found)
    lines = [f"{printable(name)}: {sizes[name][0]} x {sizes[name][1]}, {why}" for name, why in sorted(odd.items())]
    return Finding(
        "image sizes",
        Status.WARN,
        f"{words}; odd: {numbers.count(len(odd))}",
        "look whether these are thumbnails, strips or files of another set",
        numbers=found,
        examples=named(lines),
    )


def _odd(size: tuple[int, int], usual: float) -> str | None:
    short, long = min(size), max(size)
    if short < SMALLEST:
        return f"under {SMALLEST} pixels a side"
    if long > LONGEST_RATIO * short:
        return f"over {LONGEST_RATIO:.0f} times as long as wide"
    if short > FAR * usual or short * FAR < usual:
        return f"over {FAR:.0f} times {'larger' if short > usual else 'smaller'} than usual"
    return None


def _reason(why: str | None, name: str) -> str:
    """The problem without the path before it, which the reader of the list knows."""
    return (why or "").rsplit(f"{printable(name)}: ", 1)[-1]
