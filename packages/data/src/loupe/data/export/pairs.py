"""Pairs of a data folder as Q-Insight's comparisons: each with the picture that both were made from.

The reference is the sample that the pair names, or else the file that both of its images name as theirs. A pair without
one has no place in the format. Both orders are written where the folder has both.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from loupe.core.errors import ConfigError, DataError
from loupe.core.files import read_jsonl
from loupe.core.records import CHOICES, Sample
from loupe.data.export.json_lists import q_insight_comparison
from loupe.data.pairs import Pair

NO_REFERENCE = "it has no reference"


def comparison_text(
    folder: Path, samples: Sequence[Sample], *, split: str, leave_out: bool
) -> tuple[str, int, dict[str, int]]:
    """Text of the file, how many pairs it holds, and how many were left out, by reason.

    Raises ConfigError where the folder has no pairs of this split, DataError for pairs that the format cannot hold.
    """
    path = folder / f"pairs-{split}.jsonl"
    if not path.is_file():
        make = f"loupe data pairs data={folder} split={split} same_reference=true"
        raise ConfigError(f"no {path}; make pairs of one split with `{make}`")
    by_id = {sample.id: sample for sample in samples}
    files = {sample.id: sample.image for sample in samples}
    fit: list[Pair] = []
    rows = read_jsonl(path)
    for number, row in enumerate(rows, 1):
        pair = _with_reference(_pair(row, by_id, where=f"{path}, line {number}"), by_id)
        if pair.reference is not None:
            files.setdefault(pair.reference, pair.reference)
            fit.append(pair)
    lacking = len(rows) - len(fit)
    if lacking and (not leave_out or not fit):
        raise DataError(
            f"q-insight-comparison cannot hold {lacking} of {len(rows)} pairs: {NO_REFERENCE}; draw pairs with "
            "`loupe data pairs same_reference=true`" + (", or --leave-out goes on without them" if fit else "")
        )
    return q_insight_comparison(fit, files), len(fit), {NO_REFERENCE: lacking} if lacking else {}


def _pair(row: dict[str, object], by_id: dict[str, Sample], *, where: str) -> Pair:
    try:
        pair = Pair(**row)  # type: ignore[arg-type]
    except TypeError as error:
        raise DataError(f"{where}: no pair ({error}); make the file again with `loupe data pairs`") from error
    named = [pair.image_a, pair.image_b, *([] if pair.reference is None else [pair.reference])]
    if pair.choice not in CHOICES or any(name not in by_id for name in named):
        raise DataError(f"{where}: got {row}; wanted images of the split and one of {', '.join(CHOICES)}")
    return pair


def _with_reference(pair: Pair, by_id: dict[str, Sample]) -> Pair:
    """The pair with its reference, by id or, where it names none, by the file that both images have as theirs."""
    first, second = (by_id[name].reference for name in (pair.image_a, pair.image_b))
    return replace(pair, reference=first) if pair.reference is None and first is not None and first == second else pair
