"""VisualQuality-R1's two forms (arXiv 2505.14460): lists of `[ref] dis mos [std]`, and training rows.

A list has no header and tells what its words are by their number and place, so all rows have the same ones. The
deviation is on the scale of the opinion beside it: the lists that come with the paper do not keep to that, ours do.
Training rows hold 1..5; the sampler there goes by `dataset_name`.
"""

import json
from collections.abc import Sequence
from typing import Any

from loupe.data.export.questions import RANGE, question
from loupe.data.export.rows import Row


def text_list(rows: Sequence[Row], *, std: bool, reference: bool) -> str:
    """One line an image; `std` and `reference` say whether the lines have those words."""
    lines: list[str] = []
    for row in rows:
        words = [str(row.sample.reference)] if reference else []
        words += [row.sample.image, repr(row.mos)]
        words += [repr(row.std)] if std else []
        lines.append(" ".join(words) + "\n")
    return "".join(lines)


def training_rows(rows: Sequence[Row]) -> str:
    """One JSON object a line."""
    return "".join(json.dumps(_row(row, number), ensure_ascii=False) + "\n" for number, row in enumerate(rows, 1))


def _row(row: Row, number: int) -> dict[str, Any]:
    asked = {"from": "human", "value": f"{question(row.sample.id)} {RANGE}"}
    return {
        "id": number,
        "dataset_name": row.sample.dataset,
        "image": [row.sample.image],
        "conversations": [asked, {"from": "gpt", "value": row.mos}],
    }
