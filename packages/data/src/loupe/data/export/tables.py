"""Formats that are csv: pyiqa's meta files, and the plain one that Loupe reads back whole.

pyiqa goes by place for name and opinion and by the column's name for splits, so its columns have a fixed order; its
options hold scale and direction, and opinions are written as the data set has them. Columns that no image has a value
for are left out.
"""

import csv
import io
import math
from collections.abc import Sequence

from loupe.data.export.rows import Row

PLAIN = ("image", "mos", "std", "reference", "group", "split", "distortion", "level", "dataset")


def pyiqa(rows: Sequence[Row], *, std: bool, reference: bool) -> str:
    """`[ref_name,dist_name | img_name],mos[,std],official_split`, the last one train, val or test."""
    head = ["ref_name", "dist_name"] if reference else ["img_name"]
    head += ["mos", *(["std"] if std else []), "official_split"]
    body: list[list[str]] = []
    for row in rows:
        cells = [str(row.sample.reference)] if reference else []
        cells += [row.sample.image, repr(row.mos)]
        cells += [_number(row.std)] if std else []
        body.append([*cells, row.sample.split])
    return _csv(head, body)


def plain(rows: Sequence[Row]) -> str:
    """`image,mos` and, where any image has one: std, reference, group, split, distortion, level, dataset."""
    cells = [_plain(row) for row in rows]
    head = [key for key in PLAIN if key in ("image", "mos") or any(item[key] for item in cells)]
    return _csv(head, [[item[key] for key in head] for item in cells])


def _plain(row: Row) -> dict[str, str]:
    sample, damage = row.sample, row.sample.degradation
    words = (
        sample.image,
        _number(row.mos),
        _number(row.std),
        sample.reference or "",
        sample.ref_id or "",
        sample.split,
        sample.distortion or (damage.distortion_class if damage else None) or "",
        "" if damage is None else str(damage.severity),
        sample.dataset,
    )
    return dict(zip(PLAIN, words, strict=True))


def _number(value: float | None) -> str:
    """All digits of a number; nothing for one that is not there."""
    return "" if value is None or math.isnan(value) else repr(value)


def _csv(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(body)
    return stream.getvalue()
