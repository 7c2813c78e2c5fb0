"""From the run folders of the cells that are done to one plain record: everything that the table and the page print.

Nothing is trained or judged here, and nothing is formatted. A cell that is not done is a failure with its reason, and
leaves its seed out of its row's means and differences.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from loupe.bench.ablation.by_rating import errors_by_rating, histogram
from loupe.bench.ablation.cell_run import LOG
from loupe.bench.ablation.config import AblateConfig
from loupe.bench.ablation.figures import METRICS, Drawn, difference, drawn, figure, shown
from loupe.bench.ablation.judged import (
    check_same_images,
    entropy_at_the_end,
    read_judged,
    read_metrics,
    seconds_of_training,
)
from loupe.bench.ablation.learning import row_curves
from loupe.bench.ablation.plan import START, Cell
from loupe.bench.ablation.probes import probe_rows
from loupe.bench.ablation.state import DONE, CellState, read_state
from loupe.data.store import load_samples

Runs = Mapping[int | None, Drawn]
"""The drawn figures of a row by seed; the start model's are under None."""


def results(config: AblateConfig, cells: Sequence[Cell]) -> dict[str, Any]:
    """Plain dict for `loupe.core.files.write_json`. Raises MissingFileError, DataError for a run folder that is not
    whole, or where cells judged different images."""
    states = {cell.name: read_state(cell) for cell in cells}
    done = [cell for cell in cells if (state := states[cell.name]) is not None and state.status == DONE]
    images = {cell.name: read_judged(cell.evaluation) for cell in done}
    check_same_images(images)
    logs = {
        cell.name: [*read_metrics(cell.training), *probe_rows(cell.training, Path(config.data))]
        for cell in done
        if cell.seed is not None
    }
    runs: dict[str, dict[int | None, Drawn]] = {cell.row: {} for cell in cells}
    for cell in done:
        rows = logs.get(cell.name, [])
        runs[cell.row][cell.seed] = drawn(
            images[cell.name],
            n_boot=config.n_boot,
            seed=config.boot_seed,
            entropy=entropy_at_the_end(rows),
            seconds=seconds_of_training(rows),
        )
    reference = next(iter(config.rows))
    groups = next(iter(images.values())).groups if images else ()
    by_row = {name: [logs[cell.name] for cell in done if cell.row == name and cell.seed is not None] for name in runs}
    return {
        "title": config.title,
        "reference": reference,
        "images": len(groups),
        "groups": len(set(groups)),
        "seconds": sum(state.seconds or 0.0 for state in states.values() if state is not None),
        "rows": [
            _row(name, runs[name], None if name == reference else runs[reference], seed=config.boot_seed)
            for name in [*config.rows, START]
        ],
        "failures": [_failure(cell, states[cell.name]) for cell in cells if cell not in done],
        "curves": row_curves({name: rows for name, rows in by_row.items() if rows}),
        "errors": errors_by_rating({name: [images[cell.name] for cell in done if cell.row == name] for name in runs}),
        "trained_on": histogram(np.array([sample.rating for sample in load_samples(Path(config.data), "train")])),
        "config": asdict(config),
    }


def _row(name: str, own: Runs, reference: Runs | None, *, seed: int) -> dict[str, Any]:
    """A row of the table; `reference` is None for the row that the others are compared with."""
    pairs = _pairs(own, reference) if reference is not None else []
    changes = {metric.key: difference(metric, pairs, seed=seed) for metric in METRICS}
    found = {metric.key: shown(metric, changes[metric.key]) for metric in METRICS}
    return {
        "name": name,
        "seeds": None if name == START else list(own),
        "seeds_compared": len(pairs),
        "figures": {metric.key: figure(metric, list(own.values()), seed=seed) for metric in METRICS},
        "differences": changes,
        "shown": {key: word for key, word in found.items() if word is not None},
    }


def _pairs(own: Runs, reference: Runs) -> list[tuple[Drawn, Drawn]]:
    """Runs of the same seed. The start model has none, and stands beside every seed of the reference."""
    if None in own:
        return [(own[None], other) for other in reference.values()]
    return [(run, reference[seed]) for seed, run in own.items() if seed in reference]


def _failure(cell: Cell, state: CellState | None) -> dict[str, Any]:
    reason = (state.reason if state is not None else None) or "not done yet; run the same line again"
    return {"cell": cell.name, "reason": reason, "log": str(cell.folder / LOG)}
