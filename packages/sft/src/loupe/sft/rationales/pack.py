"""The last stage: what passed becomes a data folder that SFT reads, and a manifest that says what became of the rest.

All of it is written in the order of the items' ids, so the bytes do not depend on the order in which answers came.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loupe.core.files import sha256_file, write_json, write_jsonl
from loupe.core.model.endpoint_journal import Cost
from loupe.core.records import Sample
from loupe.data.store import load_samples
from loupe.sft.rationales.balance import balanced, cells_of
from loupe.sft.rationales.config import SPLITS, RationalesConfig
from loupe.sft.rationales.folder import ITEMS, MANIFEST, STAGES, link_image
from loupe.sft.rationales.settle import Settled, item_row
from loupe.sft.rationales.stage import Stage

KEPT, DROPPED, LEFT_OUT = "kept", "dropped", "left out"


def pack(
    settled: Iterable[Settled],
    config: RationalesConfig,
    *,
    stages: dict[str, Stage],
    costs: dict[str, Cost],
    fingerprints: dict[str, str],
) -> dict[str, Any]:
    """Write the rationales, labels, pictures, items.jsonl and the manifest; returns the manifest."""
    out, items = Path(config.out), sorted(settled, key=lambda item: item.sample.id)
    passed = [item for item in items if item.rationale is not None]
    kept = _kept(passed, config)
    rows = [
        item_row(item, KEPT if item.sample.id in kept else LEFT_OUT if item.rationale else DROPPED) for item in items
    ]
    packed = [item for item in passed if item.sample.id in kept]
    written = {split: _rationales(out, split, packed) for split in config.splits}
    write_jsonl(out / ITEMS, rows)
    splits = _labels([item.sample for item in packed], config)
    cost = {name: item.to_json() for name, item in costs.items()}
    settings = asdict(config)
    manifest = {
        "counts": _counts(rows, stages),
        "cells": _cells(packed, config),
        "reasons": _reasons(items),
        "cost": cost | {"total": _total(costs)},
        "splits": splits,
        "thresholds": {name: settings[name] for name in ("reliance", "consistency", "pack", "rating_tolerance")},
        "config": settings,
        "fingerprints": fingerprints,
        "sha256": {
            "rationales": written,
            "data": {split: sha256_file(Path(config.data) / f"{split}.jsonl") for split in config.splits},
        },
    }
    write_json(out / MANIFEST, manifest)
    return manifest


def _rationales(out: Path, split: str, packed: Sequence[Settled]) -> str:
    """Write the rationales of a split; the hash of the file."""
    target = out / "rationales" / f"{split}.jsonl"
    mine = [item.rationale for item in packed if item.sample.split == split and item.rationale is not None]
    write_jsonl(target, (rationale.to_json() for rationale in mine))
    return sha256_file(target)


def _kept(passed: Sequence[Settled], config: RationalesConfig) -> set[str]:
    """Ids of what is packed; each split is balanced by itself."""
    kept: set[str] = set()
    for split in config.splits:
        mine = [item for item in passed if item.sample.split == split]
        kept |= balanced(
            [item.sample.id for item in mine],
            [item.rating or 0.0 for item in mine],
            [_hard(item) for item in mine],
            bins=config.pack.bins,
            balance=config.pack.balance,
            seed=config.seed,
        )
    return kept


def _hard(item: Settled) -> bool:
    return item.rationale is not None and len(item.rationale.turns) > 1


def _labels(packed: Sequence[Sample], config: RationalesConfig) -> dict[str, int]:
    """Labels and pictures: of the packed items, and of the other splits as they are. Images by split."""
    data, out = Path(config.data), Path(config.out)
    samples = {split: load_samples(data, split) for split in SPLITS if (data / f"{split}.jsonl").is_file()}
    samples |= {split: [item for item in packed if item.split == split] for split in config.splits}
    for split, rows in samples.items():
        for sample in rows:
            link_image(data, out, sample.image)
        write_jsonl(out / f"{split}.jsonl", (sample.to_json() for sample in rows))
    return {split: len(rows) for split, rows in samples.items()}


def _counts(rows: Sequence[dict[str, Any]], stages: dict[str, Stage]) -> dict[str, Any]:
    """Of items: how many there are and what became of them; of each stage: rows, and how many of them passed."""
    made: dict[str, Any] = {"items": len(rows), **dict.fromkeys((KEPT, DROPPED, LEFT_OUT), 0)}
    made |= Counter(row["state"] for row in rows)
    for name in STAGES:
        held = stages[name].rows()
        passed = sum(bool(row["passed"]) if name == "reliance" else row["problem"] is None for row in held)
        made[name] = {"attempts": len(held), "passed": passed}
    unread = [row for row in stages["reliance"].rows() if row["passed"] and row["problem"]]
    made["reliance"]["passed_without_a_continuation"] = len(unread)
    made["consistency"]["dropped_sentences"] = sum(len(row["dropped"]) for row in stages["consistency"].rows())
    return made


def _cells(packed: Sequence[Settled], config: RationalesConfig) -> dict[str, list[int]]:
    """Packed items by rating bin, for easy and hard ones."""
    cells = Counter(
        cells_of([item.rating or 0.0 for item in packed], [_hard(item) for item in packed], bins=config.pack.bins)
    )
    return {
        name: [cells[hard, number] for number in range(config.pack.bins)]
        for name, hard in (("easy", False), ("hard", True))
    }


def _reasons(items: Sequence[Settled]) -> dict[str, dict[str, int]]:
    """How often an attempt failed for which reason, by stage; the reason up to its first colon."""
    made: dict[str, Counter[str]] = {name: Counter() for name in STAGES}
    for item in items:
        for failure in item.failures:
            made[failure.stage][failure.reason.split(":")[0]] += 1
    return {name: dict(sorted(counts.items())) for name, counts in made.items()}


def _total(costs: dict[str, Cost]) -> dict[str, int]:
    rows = [item.to_json() for item in costs.values()]
    keys = [key for key, value in Cost(0, 0, 0, 0, 0, 0, 0, 0, 0, {}).to_json().items() if isinstance(value, int)]
    return {key: sum(row[key] for row in rows) for key in keys}
