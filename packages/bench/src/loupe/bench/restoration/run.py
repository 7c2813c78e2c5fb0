"""The closed loop: the agent diagnoses, the remedy that it names is applied, and a measure says whether that helped.

Three steps, each resumable: every image of the split is diagnosed (an evaluation of its own, in `diagnosis/`); the
fixed remedy is chosen on another split; every image is treated as each arm says and measured against its pristine
image.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from loupe.bench.evaluate import EvaluateConfig, evaluate
from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.predictions import Prediction, read_predictions
from loupe.bench.restoration.arms import candidates, treatments
from loupe.bench.restoration.config import RestorationConfig
from loupe.bench.restoration.measure import Originals, measure_split
from loupe.bench.restoration.page import write_page
from loupe.bench.restoration.results import Rows, by_correctness, results
from loupe.bench.restoration.table import markdown
from loupe.core.errors import DataError
from loupe.core.files import read_json, write_json, write_text_atomic
from loupe.core.model.checkpoints import model_folder
from loupe.core.policy import Policy
from loupe.core.records import Sample
from loupe.core.runs import open_run
from loupe.data.remedies.apply import Treatment
from loupe.data.store import load_samples
from loupe.zoom.look import Look

Progress = Callable[[int, int, str], None]
"""Called with the images that are done, the images there are in all steps, and the name of the step."""

DIAGNOSIS, CHOSEN, TREATED, NUMBERS, MARKDOWN, PAGE = (
    "diagnosis",
    "chosen.jsonl",
    "treated.jsonl",
    "restoration.json",
    "table.md",
    "restoration.html",
)


def restoration(
    config: RestorationConfig,
    *,
    policy: Policy | None = None,
    progress: Progress = lambda done, total, now: None,
) -> Path:
    """Run the loop and write restoration.json, table.md and restoration.html into `config.out`; returns the first.

    `policy` takes the place of the model that the config names. Raises ConfigError, MissingFileError, DataError for
    data that was not made by `loupe data synth` here, ImageError, ModelError.
    """
    config.check()
    data, out = Path(config.data), Path(config.out)
    samples = load_samples(data, config.split)[: config.limit]
    tuning = load_samples(data, config.chosen_on)
    if not samples or not tuning:
        raise DataError(f"{data}: {config.split} or {config.chosen_on} holds no samples; name other splits")
    files = [data / f"{split}.jsonl" for split in (config.split, config.chosen_on)]
    originals = Originals(data, config.split)
    start = model_folder(config.model) if policy is None else None
    open_run(out, config, data=[*files, data / "manifest.json"], start=start, resume=config.resume)
    total = 2 * len(samples) + len(tuning)
    predictions = _diagnose(config, samples, policy=policy, progress=lambda done: progress(done, total, "diagnosing"))
    chosen = _choose(
        config, tuning, progress=lambda done: progress(len(samples) + done, total, "choosing the fixed remedy")
    )
    arms = treatments(predictions, fixed=chosen[0][0], seeds=config.random_seeds, seed=config.seed)
    rows = measure_split(
        samples,
        lambda sample: arms[sample.id],
        originals=originals,
        path=out / TREATED,
        ratings_only=False,
        progress=lambda done: progress(total - len(samples) + done, total, "treating"),
    )
    _write(config, chosen, predictions=predictions, arms=arms, rows=rows, originals=originals)
    return out / NUMBERS


def _write(
    config: RestorationConfig,
    chosen: Sequence[tuple[Treatment, float]],
    *,
    predictions: Sequence[Prediction],
    arms: Mapping[str, Mapping[str, Sequence[Treatment]]],
    rows: Rows,
    originals: Originals,
) -> None:
    """Write restoration.json, and table and page of what it holds, so that they cannot differ from it."""
    out = Path(config.out)
    right = {name: arm["agent"][0].distortion_class == arm["truth"][0].distortion_class for name, arm in arms.items()}
    found = {
        "config": asdict(config),
        "fixed": [{**asdict(treatment), "gain": gain} for treatment, gain in chosen],
        "diagnosis": by_correctness(rows, right, n_boot=config.n_boot, seed=config.seed),
        "results": results(rows, n_boot=config.n_boot, seed=config.seed),
    }
    write_json(out / NUMBERS, found)
    data = read_json(out / NUMBERS)
    write_text_atomic(out / MARKDOWN, markdown(data))
    write_page(out / PAGE, data, predictions=predictions, arms=arms, rows=rows, originals=originals)


def _diagnose(
    config: RestorationConfig, samples: Sequence[Sample], *, policy: Policy | None, progress: Callable[[int], None]
) -> list[Prediction]:
    """The agent's episode over each sample, in their order."""
    folder = Path(config.out) / DIAGNOSIS
    settings = EvaluateConfig(
        model=config.model,
        data=config.data,
        split=config.split,
        out=str(folder),
        protocol=config.protocol,
        looks=[Look.DECIDED.value],
        limit=config.limit,
        batch_size=config.batch_size,
        seed=config.seed,
        n_boot=config.n_boot,
        trails=0,
        resume=True,
    )
    evaluate(settings, policy=policy, progress=lambda done, _: progress(done))
    found = {item.sample.id: item for item in read_predictions(folder / PREDICTIONS)}
    return [found[sample.id] for sample in samples]


def _choose(
    config: RestorationConfig, tuning: Sequence[Sample], *, progress: Callable[[int], None]
) -> list[tuple[Treatment, float]]:
    """Every remedy over the whole image with its mean gain in rating on the other split, the best one first."""
    named = candidates()
    rows: list[dict[str, Any]] = measure_split(
        tuning,
        lambda sample: {name: [treatment] for name, treatment in named.items()},
        originals=Originals(Path(config.data), config.chosen_on),
        path=Path(config.out) / CHOSEN,
        ratings_only=True,
        progress=progress,
    )
    gains = {
        name: float(np.mean([row["after"][name][0]["rating"] - row["before"]["rating"] for row in rows]))
        for name in named
    }
    return [(named[name], gains[name]) for name in sorted(gains, key=lambda name: -gains[name])]
