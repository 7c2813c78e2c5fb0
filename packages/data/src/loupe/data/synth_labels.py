"""The label files of a synthesised data folder: samples, evidence and rationales of each split, and the manifest.

They are written in one go after the last picture, from the rows that the units of work gave.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from loupe.core.files import sha256_file, write_json, write_jsonl
from loupe.core.records import Sample
from loupe.data.evidence import HARD_DAMAGE, HARD_SHARE, Evidence
from loupe.data.measure import MEASURE
from loupe.data.rationale import write_rationale
from loupe.data.synth_plan import SPLITS, SynthConfig


def write_labels(out: Path, config: SynthConfig, units: Sequence[Mapping[str, Any]]) -> None:
    """Write `{split}.jsonl`, `evidence/`, `rationales/` (not for the test split) and manifest.json into `out`."""
    splits: dict[str, Any] = {}
    for split in SPLITS:
        mine = [unit for unit in units if unit["split"] == split]
        samples = [Sample.from_json(row) for unit in mine for row in unit["samples"]]
        evidence = [Evidence.from_json(row) for unit in mine for row in unit["evidence"]]
        write_jsonl(out / f"{split}.jsonl", [sample.to_json() for sample in samples])
        write_jsonl(out / "evidence" / f"{split}.jsonl", [item.to_json() for item in evidence])
        if config.rationales and split != "test":
            write_jsonl(out / "rationales" / f"{split}.jsonl", _rationales(config.seed, samples, evidence))
        splits[split] = {**_counts(samples), "sha256": sha256_file(out / f"{split}.jsonl")}
    manifest = {
        "config": asdict(config),
        "measure": MEASURE,
        "hard": f"5 - rating >= {HARD_DAMAGE} and 5 - overview rating < {HARD_SHARE} (5 - rating)",
        "splits": splits,
    }
    write_json(out / "manifest.json", manifest)


def _rationales(seed: int, samples: list[Sample], evidence: list[Evidence]) -> list[dict[str, Any]]:
    """One rationale for each image, worded with a seed of its own."""
    pairs = zip(samples, evidence, strict=True)
    return [write_rationale(sample, item, seed=[seed, number]).to_json() for number, (sample, item) in enumerate(pairs)]


def _counts(samples: list[Sample]) -> dict[str, Any]:
    truths = [sample.degradation for sample in samples if sample.degradation is not None]
    ratings = np.array([sample.rating for sample in samples])
    return {
        "images": len(samples),
        "pristine": len({sample.ref_id for sample in samples}),
        "hard": sum(bool(sample.hard) for sample in samples),
        "local": sum(truth.is_local for truth in truths),
        "distortion_class": dict(sorted(Counter(str(truth.distortion_class) for truth in truths).items())),
        "severity": dict(sorted(Counter(str(truth.severity) for truth in truths).items())),
        "rating_histogram": np.histogram(ratings, bins=8, range=(1, 5))[0].tolist() if samples else [],
    }
