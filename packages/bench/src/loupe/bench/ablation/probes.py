"""How well an agent ranked the validation images while it was trained: SRCC over the steps, from its own run folder.

A training plays a few fixed images now and then and keeps the episodes; with `probe_images` large enough to cover the
validation split they give a curve without a single checkpoint.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from loupe.bench.correlate import MIN_ITEMS, correlations
from loupe.bench.verdicts import expected_rating, verdict_of
from loupe.core.errors import DataError
from loupe.core.files import read_jsonl
from loupe.core.records import Episode
from loupe.core.runs import EPISODES
from loupe.data.store import load_samples

LEAST = 30
"""Images below which a rank correlation over the steps is noise, and none is given."""


def probe_rows(training: Path, data: Path) -> list[dict[str, Any]]:
    """Rows {"step", "probe/srcc"} of a training's episodes.jsonl; none where it kept fewer than `LEAST` images a step.

    Raises MissingFileError, DataError.
    """
    path = training / EPISODES
    steps: dict[int, list[Episode]] = {}
    for row in read_jsonl(path) if path.is_file() else []:
        steps.setdefault(int(row["step"]), []).append(Episode.from_json(row))
    if max(map(len, steps.values()), default=0) < max(LEAST, MIN_ITEMS):
        return []
    opinions = {sample.id: sample.rating for sample in load_samples(data, "val")}
    return [{"step": step, "probe/srcc": _srcc(episodes, opinions)} for step, episodes in sorted(steps.items())]


def _srcc(episodes: Sequence[Episode], opinions: Mapping[str, float]) -> float:
    if unknown := [episode.sample_id for episode in episodes if episode.sample_id not in opinions]:
        raise DataError(f"the training played {unknown[0]!r}, which is no validation image of the ablation's data")
    ratings = [expected_rating(verdict_of(episode)) for episode in episodes]
    mos = [opinions[episode.sample_id] for episode in episodes]
    return correlations(ratings, mos, n_boot=0, fits=False).srcc.value
