"""The audit of a data folder: every check, one verdict, and audit.json.

What the images say is gathered once (`scan`), and each check is a function of that and of the labels. The page is made
of audit.json elsewhere.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loupe.core.errors import DataError, MissingFileError
from loupe.core.files import check_target, read_json, write_json
from loupe.data.audit.by_dataset import Rated, by_dataset
from loupe.data.audit.cache import Cache
from loupe.data.audit.config import DataAuditConfig
from loupe.data.audit.direction import check_direction
from loupe.data.audit.exact import check_exact
from loupe.data.audit.finding import Finding, worst
from loupe.data.audit.folder import SPLITS, Seen, out_folder, rows_of
from loupe.data.audit.leakage import check_leakage
from loupe.data.audit.mos_scale import check_rating, check_scale
from loupe.data.audit.near import check_near
from loupe.data.audit.opinions import check_opinions, histogram
from loupe.data.audit.pictures import check_files, check_sizes
from loupe.data.audit.scan import scan
from loupe.data.audit.spread import check_spread
from loupe.data.audit.traps.known import check_traps

RESULT, CACHE = "audit.json", "cache.jsonl"

_BINS = 20


def audit(config: DataAuditConfig, *, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Check a data folder and write audit.json; returns its path. `progress(done, total)` counts files looked at.

    Raises ConfigError, MissingFileError and DataError where there is no data folder to check.
    """
    if not config.data:
        raise MissingFileError("no data folder was named; give one, such as data/koniq-10k")
    data = Path(config.data)
    out = out_folder(data, config.out)
    samples = rows_of(data)
    check_target(out / RESULT)
    seen = scan(
        data,
        samples,
        cache=Cache(out / CACHE, max_pixels=config.max_pixels),
        workers=config.workers,
        progress=progress,
    )
    findings = [*_of_folder(seen, config), *_of_labels(seen)]
    result = {
        "config": asdict(config),
        "status": worst(findings),
        "findings": [asdict(finding) for finding in findings],
        "counts": _counts(seen),
        "histograms": _histograms(seen),
    }
    write_json(out / RESULT, result)
    return out / RESULT


def read_audit(path: Path) -> dict[str, Any]:
    """Contents of audit.json. Raises MissingFileError, DataError."""
    result = read_json(path)
    if "findings" not in result:
        raise DataError(f"{path} holds no findings; was it made by another version?")
    return result


def _of_folder(seen: Seen, config: DataAuditConfig) -> list[Finding]:
    return [
        check_files(seen),
        check_sizes(seen),
        check_exact(seen),
        check_near(seen, distance=config.distance),
        check_leakage(seen),
    ]


def _of_labels(seen: Seen) -> list[Finding]:
    made: list[Finding] = []
    for rated in by_dataset(seen.samples):
        made += [
            check_direction(rated, seen),
            check_scale(rated),
            check_rating(rated),
            check_spread(rated),
            check_opinions(rated),
            *check_traps(rated, seen),
        ]
    return made


def _counts(seen: Seen) -> dict[str, dict[str, int]]:
    """Rows by data set and split."""
    made: dict[str, dict[str, int]] = {}
    for sample in seen.samples:
        made.setdefault(sample.dataset, dict.fromkeys(SPLITS, 0))[sample.split] += 1
    return made


def _histograms(seen: Seen) -> dict[str, Any]:
    """Of mos by data set and split, and of short and long sides of images in pixels."""
    import numpy as np

    sides = {s.image: (f.width, f.height) for s in seen.samples if (f := seen.of(s)) is not None}
    sizes: dict[str, Any] = {}
    for name, pick in (("short side", min), ("long side", max)):
        if sides:
            counts, edges = np.histogram([pick(size) for size in sides.values()], bins=_BINS)
            sizes[name] = {"counts": counts.tolist(), "edges": edges.tolist()}
    return {"mos": {rated.dataset: _mos(rated) for rated in by_dataset(seen.samples) if rated.rows}, "sizes": sizes}


def _mos(rated: Rated) -> dict[str, Any]:
    splits = [split for split in SPLITS if any(row.split == split for row in rated.rows)]
    return {split: histogram(rated, split=split) for split in splits}
