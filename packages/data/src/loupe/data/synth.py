"""Synthesis of labelled images: pristine images, degraded by the engine, labelled by measurement.

The unit of work is one pristine image with all its degraded versions, fully determined by the seed and its number: so
any number of processes give the same files, and an interrupted run goes on where it stopped. Splits are by pristine
image (by photograph where photographs are used), never by degraded image.
"""

import json
import multiprocessing
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from loupe.core.errors import ConfigError
from loupe.core.files import append_jsonl, read_jsonl, sha256_file, write_bytes_atomic, write_json, write_text_atomic
from loupe.core.records import Sample
from loupe.data.degrade import Pixels, degrade, draw_degradation
from loupe.data.evidence import HARD_DAMAGE, HARD_SHARE, Evidence, measure_views
from loupe.data.measure import MEASURE
from loupe.data.photos import list_photos, photo_window
from loupe.data.pristine import dead_leaves
from loupe.data.rationale import write_rationale

SPLITS = ("train", "val", "test")
_PROGRESS = "progress.jsonl"


@dataclass
class SynthConfig:
    """What `loupe data synth` makes."""

    out: str = "data/pocket"
    """Folder to write; it may hold an interrupted run with the same settings."""
    name: str = "synthetic"
    """Name of the data set, written into every row."""
    photos: str = ""
    """Folder of photographs to take pristine windows from; empty for dead leaves only."""
    photo_share: float = 1.0
    """Share of pristine images that are windows of photographs, where `photos` is given."""
    train: int = 400
    """Pristine images of the training split."""
    val: int = 25
    """Pristine images of the validation split."""
    test: int = 125
    """Pristine images of the test split, never seen in training."""
    versions: int = 8
    """Degraded versions of each pristine image."""
    size: int = 224
    """Side of an image in pixels."""
    clean_share: float = 0.08
    """Share of versions that are left clean."""
    local_share: float = 0.65
    """Share of the degraded versions that are damaged in one region only."""
    rationales: bool = True
    """Whether to write grounded rationales for the splits `train` and `val`."""
    seed: int = 0
    """Seed of everything; another seed gives other pristine images too."""
    workers: int = 0
    """Processes; 0 takes one for each processor."""

    def check(self) -> None:
        """Raises ConfigError for settings that cannot be met."""
        for name in ("photo_share", "clean_share", "local_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name}={getattr(self, name)}; wanted a share between 0 and 1")
        if self.size < 56 or self.versions < 1 or min(self.train, self.val, self.test) < 0:
            raise ConfigError("wanted size ≥ 56, versions ≥ 1 and no negative number of pristine images")


@dataclass(frozen=True)
class _Task:
    split: str
    number: int
    photo: str | None
    config: SynthConfig


def synthesise(config: SynthConfig, *, progress: Callable[[int, int], None] = lambda done, total: None) -> Path:
    """Write the data folder and return it; `progress(done, total)` is called after each pristine image.

    Raises ConfigError where the folder holds data made with other settings.
    """
    config.check()
    out = Path(config.out)
    _claim(out, config)
    done = {(row["split"], row["number"]): row for row in _finished(out)}
    tasks = [task for task in _tasks(config) if (task.split, task.number) not in done]
    total = len(done) + len(tasks)
    for count, row in enumerate(_run(tasks, config.workers), len(done) + 1):
        append_jsonl(out / _PROGRESS, row)
        done[row["split"], row["number"]] = row
        progress(count, total)
    _write_labels(out, config, [done[key] for key in sorted(done)])
    return out


def _claim(out: Path, config: SynthConfig) -> None:
    settings = {key: value for key, value in asdict(config).items() if key not in ("out", "workers")}
    claim = out / "settings.json"
    if claim.is_file():
        held = read_jsonl(claim)[0]
        different = [key for key in settings if held.get(key) != settings[key]]
        if different:
            raise ConfigError(
                f"{out} holds data made with other settings ({', '.join(different)} differ); "
                "give another `out`, or remove the folder"
            )
    else:
        (out / "images").mkdir(parents=True, exist_ok=True)
        append_jsonl(claim, settings)


def _finished(out: Path) -> list[dict[str, Any]]:
    return read_jsonl(out / _PROGRESS) if (out / _PROGRESS).is_file() else []


def _tasks(config: SynthConfig) -> Iterator[_Task]:
    photos = _split_photos(config) if config.photos else {}
    for split in SPLITS:
        for number in range(getattr(config, split)):
            rng = np.random.default_rng([config.seed, SPLITS.index(split), number, 1])
            mine = photos.get(split, [])
            use_photo = bool(mine) and rng.random() < config.photo_share
            yield _Task(split, number, str(mine[number % len(mine)]) if use_photo else None, config)


def _split_photos(config: SynthConfig) -> dict[str, list[Path]]:
    """Photographs dealt to the splits in proportion to the images wanted, each to one split only."""
    photos = list_photos(Path(config.photos))
    photos = [photos[i] for i in np.random.default_rng(config.seed).permutation(len(photos))]
    wanted = np.array([getattr(config, split) for split in SPLITS], float)
    if len(photos) < np.count_nonzero(wanted):
        raise ConfigError(
            f"{len(photos)} photographs for {np.count_nonzero(wanted)} splits; give at least one for each"
        )
    counts = np.maximum(np.floor(len(photos) * wanted / wanted.sum()), wanted > 0).astype(int)
    counts[np.argmax(counts)] += len(photos) - counts.sum()
    ends = np.cumsum(counts)
    return {split: photos[end - count : end] for split, count, end in zip(SPLITS, counts, ends, strict=True)}


def _run(tasks: list[_Task], workers: int) -> Iterable[dict[str, Any]]:
    count = min(workers or os.cpu_count() or 1, len(tasks))
    if count <= 1:
        yield from map(_make, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(count, initializer=cv2.setNumThreads, initargs=(1,)) as pool:
        yield from pool.imap_unordered(_make, tasks, chunksize=1)


def _make(task: _Task) -> dict[str, Any]:
    """One pristine image and its versions: writes the pictures, returns the rows."""
    config = task.config
    streams = np.random.SeedSequence([config.seed, SPLITS.index(task.split), task.number])
    rng = np.random.default_rng(streams)
    pristine_seed = int(rng.integers(2**62))
    if task.photo is None:
        pristine, ref_id = dead_leaves(pristine_seed, size=config.size), f"leaves-{task.split}-{task.number:05d}"
    else:
        pristine, ref_id = photo_window(Path(task.photo), pristine_seed, size=config.size), Path(task.photo).name
    rows = [_version(task, pristine, ref_id, version=version, rng=rng) for version in range(config.versions)]
    return {
        "split": task.split,
        "number": task.number,
        "samples": [sample.to_json() for sample, _ in rows],
        "evidence": [evidence.to_json() for _, evidence in rows],
    }


def _version(
    task: _Task, pristine: Pixels, ref_id: str, *, version: int, rng: np.random.Generator
) -> tuple[Sample, Evidence]:
    config = task.config
    degradation = draw_degradation(rng, clean_share=config.clean_share, local_share=config.local_share)
    degraded = degrade(pristine, degradation, seed=int(rng.integers(2**62)))
    id = f"{task.split}-{task.number:05d}-{version}"
    evidence = measure_views(id, pristine, degraded)
    relative = f"images/{id}.png"
    _, data = cv2.imencode(".png", cv2.cvtColor(degraded, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
    write_bytes_atomic(Path(config.out) / relative, data.tobytes())
    sample = Sample(
        id=id,
        image=relative,
        dataset=config.name,
        split=task.split,
        rating=evidence.rating,
        mos=evidence.rating,
        ref_id=ref_id,
        degradation=degradation,
        hard=evidence.hard,
    )
    return sample, evidence


def _write_labels(out: Path, config: SynthConfig, rows: list[dict[str, Any]]) -> None:
    splits: dict[str, Any] = {}
    for split in SPLITS:
        samples = [sample for row in rows if row["split"] == split for sample in row["samples"]]
        evidence = [item for row in rows if row["split"] == split for item in row["evidence"]]
        _write_rows(out / f"{split}.jsonl", samples)
        _write_rows(out / "evidence" / f"{split}.jsonl", evidence)
        if config.rationales and split != "test":
            _write_rows(out / "rationales" / f"{split}.jsonl", _rationales(config, samples, evidence))
        splits[split] = {**_counts(samples), "sha256": sha256_file(out / f"{split}.jsonl")}
    manifest = {
        "config": asdict(config),
        "measure": MEASURE,
        "hard": f"5 - rating >= {HARD_DAMAGE} and 5 - overview rating < {HARD_SHARE} (5 - rating)",
        "splits": splits,
    }
    write_json(out / "manifest.json", manifest)


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text_atomic(path, "".join(json.dumps(row) + "\n" for row in rows))


def _rationales(
    config: SynthConfig, samples: list[dict[str, Any]], evidence: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """One rationale for each image, worded with a seed of its own."""
    pairs = zip(map(Sample.from_json, samples), map(Evidence.from_json, evidence), strict=True)
    return [
        write_rationale(sample, item, seed=[config.seed, number]).to_json()
        for number, (sample, item) in enumerate(pairs)
    ]


def _counts(samples: list[dict[str, Any]]) -> dict[str, Any]:
    degradations = [sample["degradation"] for sample in samples]
    ratings = np.array([sample["rating"] for sample in samples])
    return {
        "images": len(samples),
        "pristine": len({sample["ref_id"] for sample in samples}),
        "hard": sum(bool(sample["hard"]) for sample in samples),
        "local": sum(
            item["bbox_2d"] not in (None, (0.0, 0.0, 1.0, 1.0), [0.0, 0.0, 1.0, 1.0]) for item in degradations
        ),
        "distortion_class": dict(sorted(Counter(str(item["distortion_class"]) for item in degradations).items())),
        "severity": dict(sorted(Counter(str(item["severity"]) for item in degradations).items())),
        "rating_histogram": np.histogram(ratings, bins=8, range=(1, 5))[0].tolist() if samples else [],
    }
