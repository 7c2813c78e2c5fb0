"""`loupe data export`: a split of a data folder in a form that other projects read.

Nothing is left out in silence: an image that a format cannot hold stops the export, or is counted and named where the
user says to go on. Opinions, deviations and directions are looked after in `rows`, what a format can hold in `formats`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.files import check_target, write_text_atomic
from loupe.core.printable import printable
from loupe.core.records import Sample
from loupe.data.export.formats import COMPARISON, FORMATS, Format
from loupe.data.export.pairs import comparison_text
from loupe.data.export.rows import VALUES, Row, rows_of
from loupe.data.store import load_samples

SPLITS = ("train", "val", "test")
ALL = "all"


@dataclass
class ExportConfig:
    """What `loupe data export` does: write one file from one split of a data folder."""

    data: str = "data/pocket"
    """Data folder; names in the file are relative to it."""
    split: str = "test"
    """Split to write, or all for every split that the folder has."""
    format: str = "csv"
    """Form of the file."""
    output: str = ""
    """File to write."""
    values: str = "raw"
    """Opinions on the scale of the data set (raw) or on 1..5 (rating), deviations with them."""
    std: bool = True
    """Write deviations where the format has a place for them."""
    reference: bool = True
    """Write reference images where the format has a place for them."""
    leave_out: bool = False
    """Leave out what the format cannot hold, and say how many, in place of stopping."""

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        known = (*FORMATS, COMPARISON)
        if self.format not in known:
            raise ConfigError(f"got the format {self.format!r}; wanted one of {', '.join(known)}")
        if self.values not in VALUES:
            raise ConfigError(f"got values {self.values!r}; wanted {' or '.join(VALUES)}")
        if not self.output:
            raise ConfigError("no file to write; name one with --output")


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: rows, how many images were left out and why, and what a reader of the file has to know."""

    path: Path
    rows: int
    left_out: dict[str, int]
    notes: tuple[str, ...]


def export(config: ExportConfig) -> Exported:
    """Write the file. Raises ConfigError, MissingFileError, and DataError for what the format cannot hold."""
    folder, target = Path(config.data), Path(config.output)
    if not folder.is_dir():
        raise MissingFileError(f"no data folder {folder}; make one with `loupe data build` or `loupe data synth`")
    check_target(target, keep=[*folder.glob("*.jsonl"), folder / "manifest.json"])
    splits = {split: load_samples(folder, split) for split in SPLITS if (folder / f"{split}.jsonl").is_file()}
    chosen = _chosen(splits, config)
    if config.format == COMPARISON:
        text, count, left_out = comparison_text(folder, chosen, split=config.split, leave_out=config.leave_out)
        write_text_atomic(target, text)
        return Exported(target, count, left_out, ())
    form = FORMATS[config.format]
    fit, left_out = _fit(chosen, form, config)
    everything = [sample for samples in splits.values() for sample in samples]
    values = "rating" if form.rating else config.values
    rows = rows_of(fit, everything, values=values, turn=form.turn)
    std, reference = _places(rows, form, config)
    write_text_atomic(target, form.write(_without(rows, config), std, reference))
    return Exported(target, len(rows), left_out, _notes(fit, form, values=values))


def _chosen(splits: dict[str, list[Sample]], config: ExportConfig) -> list[Sample]:
    if config.split != ALL and config.split not in splits:
        there = ", ".join(splits) or "none"
        raise MissingFileError(f"no split {printable(config.split)!r} in {config.data}; its splits: {there}, or all")
    chosen = [sample for name, samples in splits.items() if config.split in (name, ALL) for sample in samples]
    if not chosen:
        raise DataError(f"the split {config.split} of {config.data} has no images; wanted one or more")
    return chosen


def _fit(samples: Sequence[Sample], form: Format, config: ExportConfig) -> tuple[list[Sample], dict[str, int]]:
    """The images that the format can hold, and how many it cannot, by reason."""
    fit: list[Sample] = []
    reasons: dict[str, list[str]] = {}
    for sample in samples:
        reason = form.unfit(sample)
        if reason is None:
            fit.append(sample)
        else:
            reasons.setdefault(reason, []).append(sample.id)
    if reasons and (not config.leave_out or not fit):
        reason, ids = max(reasons.items(), key=lambda item: len(item[1]))
        raise DataError(
            f"{config.format} cannot hold {len(ids)} of {len(samples)} images, such as {printable(ids[0])}: {reason}; "
            + ("choose another format" if not fit else "--leave-out goes on without them")
        )
    return fit, {reason: len(ids) for reason, ids in reasons.items()}


def _places(rows: Sequence[Row], form: Format, config: ExportConfig) -> tuple[bool, bool]:
    """Whether rows have a deviation, and a reference. Raises DataError where a format wants it in all or in none."""
    found: list[bool] = []
    for what, wanted, uniform, having in (
        ("std", config.std, form.uniform_std, sum(row.std is not None for row in rows)),
        ("reference", config.reference, form.uniform_reference, sum(row.sample.reference is not None for row in rows)),
    ):
        if wanted and uniform and 0 < having < len(rows):
            raise DataError(
                f"{having} of {len(rows)} images have a {what}, and {config.format} has it in every row or in none; "
                f"--no-{what} leaves it out"
            )
        found.append(wanted and having > 0)
    return found[0], found[1]


def _without(rows: Sequence[Row], config: ExportConfig) -> Sequence[Row]:
    """The rows without what the user does not want in the file."""
    if config.std and config.reference:
        return rows
    return [
        replace(
            row,
            std=row.std if config.std else None,
            sample=row.sample if config.reference else replace(row.sample, reference=None),
        )
        for row in rows
    ]


def _notes(samples: Sequence[Sample], form: Format, *, values: str) -> tuple[str, ...]:
    """What the file itself cannot say: its scale and direction."""
    first = samples[0]
    if form.rating:
        return ()
    if values == "rating":
        return ("opinions on 1..5, higher is better",)
    lower = not first.higher_is_better
    scale = f"opinions on {first.scale_min:g}..{first.scale_max:g}"
    if lower and form.turn:
        return (f"{scale}, turned so that higher is better: {first.scale_min:g} + {first.scale_max:g} - mos",)
    return (f"{scale}, {'lower' if lower else 'higher'} is better",)
