"""Calibrates intervals for single images and measures what they hold: `loupe evaluate` with `calibrate`.

The split is judged as any evaluation judges it, the calibration images in the same way in `calibration/` below it; both
are resumable. Then calibration.json is written, and coverage.json and reliability.png with what its intervals hold on
the judged split, of which calibration has seen nothing.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from loupe.bench.agent import Agents, weights_kept
from loupe.bench.calibration.config import CalibrateConfig, check
from loupe.bench.calibration.coverage import LEVELS, Rating, by_range, chosen_level, holds, measure, quantiles, usable
from loupe.bench.calibration.other_images import check_images
from loupe.bench.calibration.plot import reliability_png
from loupe.bench.calibration.record import FILE, Calibration, Way, way_of, write_calibration
from loupe.bench.evaluate import EvaluateConfig, Progress, base_config, evaluate
from loupe.bench.predictions import FAST, read_predictions
from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.sampled import judged_images
from loupe.bench.summary import Summary
from loupe.core.errors import ConfigError
from loupe.core.files import read_json, sha256_file, write_bytes_atomic, write_json
from loupe.core.model.hashing import weights_sha256
from loupe.core.policy import Policy
from loupe.core.protocol import load_protocol
from loupe.data.store import load_samples

FOLDER, COVERAGE, PICTURE = "calibration", "coverage.json", "reliability.png"


@dataclass(frozen=True, slots=True)
class _Sets:
    """Ratings of the calibration images and of the judged split, and how many images of the former have none."""

    calibration: Sequence[Rating]
    test: Sequence[Rating]
    unusable: int
    unusable_test: int


def evaluate_calibrated(
    config: CalibrateConfig, *, policy: Policy | Agents | None = None, progress: Progress | None = None
) -> Summary:
    """Evaluates as `evaluate` does, and writes calibration.json, coverage.json and reliability.png beside it.

    Raises as `evaluate`, and ConfigError for settings that cannot be, and DataError for calibration images that are too
    few or come from references of the judged split.
    """
    folder, split = check(config)
    protocol = load_protocol(config.protocol)
    if "rating" not in protocol.asks:
        raise ConfigError(f"protocol {protocol.name!r} asks for no rating; there is nothing to calibrate")
    check_images(config, Path(folder), split)
    first = base_config(config)
    second = replace(first, data=folder, split=split, out=str(Path(config.out) / FOLDER), trails=0, limit=None)
    second = replace(second, looks=config.looks[:1], resume=True)
    sizes = [_episodes(first), _episodes(second)]
    with weights_kept():
        summary = evaluate(first, policy=policy, progress=_part(progress, 0, sum(sizes)))
        evaluate(second, policy=policy, progress=_part(progress, sizes[0], sum(sizes)))
    look = FAST if config.fast else config.looks[0]
    played = [
        judged_images([item for item in read_predictions(path, attempts=True) if item.look == look])
        for path in (Path(second.out) / PREDICTIONS, Path(first.out) / PREDICTIONS)
    ]
    lost, lost_test = (sum(image.rating is None for image in images) for images in played)
    sets = _Sets(usable(played[0]), usable(played[1]), lost, lost_test)
    _write(config, sets, way=_way(config, policy, look), labels=Path(folder) / f"{split}.jsonl")
    return summary


def _episodes(config: EvaluateConfig) -> int:
    looks = 1 if config.fast else len(set(config.looks))
    return len(load_samples(Path(config.data), config.split)[: config.limit]) * looks * config.samples


def _part(progress: Progress | None, before: int, total: int) -> Progress | None:
    if progress is None:
        return None
    return lambda done, _: progress(before + done, total)


def _way(config: CalibrateConfig, policy: Policy | Agents | None, look: str) -> Way:
    model = config.model if policy is None else getattr(policy, "model", None)
    return way_of(
        load_protocol(config.protocol),
        weights="" if model is None else weights_sha256(model),
        look=look,
        samples=config.samples,
        temperature=config.temperature,
        draw_temperature=config.draw_temperature,
    )


def _write(config: CalibrateConfig, sets: _Sets, *, way: Way, labels: Path) -> None:
    out, alphas = Path(config.out), sorted({*LEVELS, config.alpha}, reverse=True)
    kind, by = config.nonconformity, config.by
    found = quantiles(sets.calibration, alphas, nonconformity=kind, floor=config.floor, by=by, seed=config.seed)
    references = len({item.group for item in sets.calibration})
    calibration = Calibration(
        alpha=config.alpha,
        quantile=found[config.alpha],
        nonconformity=kind,
        floor=config.floor,
        by=by,
        n=len(sets.calibration),
        references=references,
        unusable=sets.unusable,
        levels={str(alpha): value for alpha, value in found.items()},
        way=way,
        data={str(labels): sha256_file(labels)},
    )
    write_calibration(out / FILE, calibration)
    write_json(out / COVERAGE, _coverage(config, sets, calibration, alphas=alphas))
    write_bytes_atomic(out / PICTURE, reliability_png(read_json(out / COVERAGE)))


def _coverage(
    config: CalibrateConfig, sets: _Sets, calibration: Calibration, *, alphas: Sequence[float]
) -> dict[str, Any]:
    """Plain dict of what coverage.json holds."""
    kind, floor, draws, seed = config.nonconformity, config.floor, config.n_boot, config.seed
    rows = measure(sets.calibration, sets.test, alphas=alphas, floor=floor, n_boot=draws, seed=seed)
    chosen = chosen_level(rows, nonconformity=kind, by=config.by, alpha=config.alpha)
    hits = holds(sets.test, chosen.quantile, nonconformity=kind, floor=floor)
    parts = {
        key: [asdict(part) for part in by_range(sets.test, *hits, key=key, n_boot=draws, seed=seed)]
        for key in ("label", "rating")
    }
    return {
        "wanted": 1.0 - config.alpha,
        "n": len(sets.test),
        "references": len({item.group for item in sets.test}),
        "unusable": sets.unusable_test,
        "calibration": {name: getattr(calibration, name) for name in ("n", "references", "unusable")},
        "chosen": asdict(chosen),
        "levels": [asdict(row) for row in rows],
        "by": parts,
        "way": asdict(calibration.way),
    }
