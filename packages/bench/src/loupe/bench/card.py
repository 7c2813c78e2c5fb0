"""The model card of a shipped checkpoint: what it was trained on, for how long, and how it does on images it never saw.

Every number is read from run folders; nothing is typed in. Beside each accuracy stands what a constant guess reaches.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.predictions import Prediction, read_predictions
from loupe.bench.summary import FILE as SUMMARY
from loupe.core import numbers
from loupe.core.files import read_json, read_jsonl, write_text_atomic
from loupe.core.runs import CONFIG, ENVIRONMENT, METRICS

STAGES = {"base": "perception", "sft": "SFT on grounded rationales", "grpo": "SFT, SFT on its own words, and GRPO"}
"""What a checkpoint has been through, by the name of its last stage."""


def write_card(name: str, model: Path, *, stage: str, training: Path, evaluations: Mapping[str, Path]) -> Path:
    """Write README.md into the folder `model` from the run folder `training` and named evaluation folders; returns it.

    `stage`, one of STAGES, is what `training` did. Raises MissingFileError where a run folder lacks its files.
    """
    environment = read_json(training / ENVIRONMENT)
    metrics = read_jsonl(training / METRICS)
    # Markdown, of numbers and names that our own stages wrote: nothing in it comes from a model or a user's file.
    engine = Environment(  # noqa: S701
        loader=PackageLoader("loupe.bench"), undefined=StrictUndefined, keep_trailing_newline=True
    )
    text = engine.get_template("card.md.jinja").render(
        name=name,
        stage=STAGES[stage],
        config=(training / CONFIG).read_text(encoding="utf-8").strip(),
        steps=max(int(row["step"]) for row in metrics),
        seconds=_seconds(metrics),
        versions=environment["versions"],
        platform=environment["platform"],
        data=environment["data_sha256"],
        figures=[row for title, folder in evaluations.items() for row in _figures(title, folder)],
    )
    write_text_atomic(model / "README.md", text)
    return model / "README.md"


def _seconds(metrics: list[dict[str, Any]]) -> str:
    taken = [row[key] for row in metrics for key in ("train_runtime", "seconds") if row.get(key) is not None]
    # A run that was resumed behind its last step has no total of its own.
    taken = taken or [sum(float(row["step_time"]) for row in metrics if row.get("step_time") is not None)]
    return numbers.seconds(float(taken[-1])) if taken[-1] else numbers.DASH


def _figures(title: str, folder: Path) -> list[dict[str, str]]:
    """Table rows: the decided look and the one without zoom, and a constant guess."""
    looks = read_json(folder / SUMMARY)["looks"]
    rows = [
        {
            "what": f"{title}, {words}",
            "n": numbers.count(looks[look]["all"]["n"]),
            "srcc": numbers.interval(*_triple(looks[look]["all"]["expected"]["all"]["srcc"])),
            "rmse": numbers.interval(*_triple(looks[look]["all"]["expected"]["all"]["rmse"])),
            "class_accuracy": numbers.interval(*_triple(looks[look]["all"]["recognition"]["class_accuracy"])),
            "severity_accuracy": numbers.interval(*_triple(looks[look]["all"]["recognition"]["severity_accuracy"])),
            "unusable": numbers.percent(looks[look]["all"]["unusable_share"]),
        }
        for look, words in (("decided", "zoom as decided"), ("never", "without zoom"))
        if look in looks
    ]
    return [*rows, _constant_guess(title, read_predictions(folder / PREDICTIONS))]


def _constant_guess(title: str, predictions: list[Prediction]) -> dict[str, str]:
    """The best that one answer for all images can reach: the commonest class, its commonest level, the mean rating."""
    samples = list({item.sample.id: item.sample for item in predictions}.values())
    found = [item.degradation for item in samples if item.degradation is not None]
    classes = [item.distortion_class for item in found]
    levels = [(item.distortion_class, item.severity) for item in found]
    mean = sum(item.rating for item in samples) / len(samples)
    rmse = (sum((item.rating - mean) ** 2 for item in samples) / len(samples)) ** 0.5
    return {
        "what": f"{title}, a constant guess",
        "n": numbers.count(len(samples)),
        "srcc": numbers.DASH,
        "rmse": numbers.fixed(rmse),
        "class_accuracy": numbers.fixed(max(map(classes.count, set(classes))) / len(found)),
        "severity_accuracy": numbers.fixed(max(map(levels.count, set(levels))) / len(found)),
        "unusable": numbers.DASH,
    }


def _triple(values: list[float | None]) -> tuple[float, float, float]:
    value, low, high = (float("nan") if item is None else float(item) for item in values)
    return value, low, high
