"""Scores the predictions of any tool against opinions: `loupe score-file`.

A prediction that is no number is a failure: it counts in the middle of the scale, and beside that stand the figures
over usable predictions alone. Correlations are of the scores as they are; an RMSE needs both scales, and is left out
where one is not known. What has no partner, on either side, is counted and named.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loupe.bench.score_file.figures import Item, Scale, Scales, set_figures, set_means
from loupe.bench.score_file.formats import CSV, FORMATS, check_format, guess_format
from loupe.bench.score_file.labels import NAMED, labelled_by_data, labelled_by_file
from loupe.bench.score_file.rows import Row
from loupe.bench.score_file.tables import ROLES, read_table
from loupe.bench.verdicts import FIRST, LAST
from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.files import sha256_file


@dataclass(frozen=True)
class ScoreFile:
    """What is to be scored against what."""

    file: Path
    """File with the predictions."""
    data: Path | None = None
    """Data folder that holds the opinions; None where the file does."""
    split: str = "test"
    """Split of the data folder."""
    format: str = ""
    """Format of the file; "" to tell by what stands in it."""
    columns: dict[str, str] = field(default_factory=dict[str, str])
    """Names of the columns image, score and label of a table; what is left out is guessed."""
    scale: Scale | None = None
    """Worst and best score that the tool could give; None for that of the format, if it has one."""
    label_scale: Scale | None = None
    """Worst and best opinion, where the file holds them; those of a data folder are on 1..5."""
    lower_is_better: bool = False
    """Scores run against quality, as those of a distance do."""
    n_boot: int = 1000
    """Bootstrap draws of every interval."""
    seed: int = 0
    """Seed of the bootstrap."""


def score_file(settings: ScoreFile) -> dict[str, Any]:
    """Everything that `loupe score-file` prints, ready for JSON; `complete` says that all found a partner.

    Raises MissingFileError, ConfigError for settings that cannot be, DataError for a file that cannot be read, in which
    nothing finds a partner, or with failures on a scale that nobody knows.
    """
    _check(settings)
    name = settings.format or guess_format(settings.file)
    rows = _read(settings, name)
    scale = settings.scale or FORMATS[name].scale
    items, partners = _with_labels(rows, settings)
    failed = [item for item in items if math.isnan(item.score)]
    if failed and scale is None:
        raise DataError(
            f"{len(failed)} predictions cannot be used, such as {failed[0].name!r:.60} ({failed[0].problem}); they "
            "count in the middle of the scale: say which one it is, for example --scale 0 100"
        )
    sets = {name: [item for item in items if item.dataset == name] for name in dict.fromkeys(i.dataset for i in items)}
    scales = Scales(scale, _label_scale(settings), settings.lower_is_better)
    boot = {"n_boot": settings.n_boot, "seed": settings.seed}
    return {
        "file": str(settings.file),
        "sha256": sha256_file(settings.file),
        "format": name,
        "format_guessed": not settings.format,
        "labels": f"{settings.data}, {settings.split}" if settings.data else "the file itself",
        "scale": scale,
        "lower_is_better": settings.lower_is_better,
        "bootstrap": f"{settings.n_boot} draws, whole groups of one reference image, 95 % percentile interval",
        "unusable": "in the middle of the scale in `all`; left out in `usable`",
        "sets": {name: set_figures(found, scales, **boot) for name, found in sets.items()},
        "means": set_means(sets, scales, **boot) if len(sets) > 1 else {},
        "failures": {"count": len(failed), "first": [f"{item.name}: {item.problem}" for item in failed[:NAMED]]},
        "outside_scale": sum(_outside(item.score, scale) for item in items),
        **partners,
        "complete": not any(found["count"] for found in partners.values()),
    }


def _check(settings: ScoreFile) -> None:
    if not settings.file.is_file():
        raise MissingFileError(f"no file {settings.file}; give the file with the predictions")
    if settings.format:
        check_format(settings.format)
    for option, scale in (("scale", settings.scale), ("label-scale", settings.label_scale)):
        if scale is not None and not (math.isfinite(scale[0]) and math.isfinite(scale[1]) and scale[0] < scale[1]):
            raise ConfigError(f"--{option}: got {scale[0]} {scale[1]}; wanted its lowest and its highest number")
    if strange := sorted(set(settings.columns) - set(ROLES)):
        raise ConfigError(f"--columns: got {strange[0]}; wanted image=, score= or label= with the name of a column")
    if settings.label_scale is not None and settings.data is not None:
        raise ConfigError("--label-scale is for opinions in the file; those of a data folder are on 1..5 already")
    if settings.n_boot < 0:
        raise ConfigError(f"n_boot: got {settings.n_boot}; wanted 0 or more")


def _read(settings: ScoreFile, name: str) -> list[Row]:
    if settings.columns and name != CSV:
        raise ConfigError(f"--columns is for tables, and {settings.file} is {name}; leave it out, or give --format csv")
    if name == CSV:
        low, high = settings.scale or (0.0, 0.0)
        rows = read_table(settings.file, columns=settings.columns, failed=None if low <= -100.0 <= high else -100.0)
    else:
        rows = FORMATS[name].read(settings.file)
    if not rows:
        raise DataError(f"{settings.file} holds no predictions; wanted a row an image")
    return rows


def _with_labels(rows: Sequence[Row], settings: ScoreFile) -> tuple[list[Item], dict[str, Any]]:
    if settings.data is None:
        return labelled_by_file(rows, file=settings.file)
    return labelled_by_data(rows, file=settings.file, data=settings.data, split=settings.split)


def _label_scale(settings: ScoreFile) -> Scale | None:
    return (FIRST, LAST) if settings.data is not None else settings.label_scale


def _outside(score: float, scale: Scale | None) -> bool:
    return scale is not None and math.isfinite(score) and not scale[0] <= score <= scale[1]
