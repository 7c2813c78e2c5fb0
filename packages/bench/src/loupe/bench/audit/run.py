"""Is the zooming honest? An evaluation, and beside it the controls that say so: `loupe evaluate --zoom-audit`.

The evaluation comes first and is an ordinary one; the audit's own predictions lie in its folder `audit`, one folder a
set of images and seed; what came of them all is audit.json. Everything resumes, and what is complete needs no model.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from loupe.bench.agent import load_policies
from loupe.bench.audit.aim import aim
from loupe.bench.audit.collapse import box_counts, collapse
from loupe.bench.audit.config import AuditConfig, check
from loupe.bench.audit.difficulty import bins, difficulty
from loupe.bench.audit.focus import focus, focus_shares
from loupe.bench.audit.forced_crop import drop, forced_crop
from loupe.bench.audit.late_policy import LatePolicy
from loupe.bench.audit.material import Material
from loupe.bench.audit.names import FILE, FOLDER
from loupe.bench.audit.own_crop import by_look, own_crop
from loupe.bench.audit.parts import MADE, SPLIT, collect, plan, play_parts
from loupe.bench.audit.rows import MIN_IMAGES, Verdict, red_reasons
from loupe.bench.audit.sets import count_images, make_sets
from loupe.bench.audit.words import claim_counts, words
from loupe.bench.evaluate import Progress, base_config, evaluate
from loupe.bench.summary import FILE as SUMMARY
from loupe.core.files import read_json, write_json
from loupe.core.policy import Policy
from loupe.core.protocol import load_protocol
from loupe.core.runs import open_run
from loupe.data.store import load_evidence, load_samples

CHECKS = (own_crop, aim, difficulty, collapse, words, forced_crop, focus)
"""The checks in the order of the table."""


def audit(config: AuditConfig, *, policy: Policy | None = None, progress: Progress | None = None) -> dict[str, Any]:
    """Evaluates, plays all controls, and writes audit.json into `config.out`; returns what it holds.

    `policy` takes the place of the model that the config names. `progress` counts episodes and images that are made.
    Raises as `loupe.bench.evaluate.evaluate`, and ConfigError for settings of the audit that cannot be.
    """
    check(config)
    samples = load_samples(Path(config.data), config.split)
    sizes = {SPLIT: len(samples[: config.limit]), **count_images(samples, config)}
    parts = plan(config, [name for name, size in sizes.items() if size])
    played = sum(sizes[part.images] * len(part.looks) for part in parts)
    made = sum(sizes.values()) - sizes[SPLIT]
    steps = _Steps(progress, [sizes[SPLIT] * len(set(config.looks)), made, played])
    evaluate(base_config(config), policy=policy, progress=steps.of(0))
    folder = Path(config.out) / FOLDER
    open_run(folder, config, data=[Path(config.data) / f"{config.split}.jsonl"], resume=True)
    make_sets(samples, folder / MADE, config=config, made=steps.counter(1))
    late = LatePolicy(lambda: _load(config) if policy is None else policy, greedy=config.temperature == 0)
    play_parts(parts, config, policy=late, sizes=sizes, progress=steps.of(2))
    material = Material(collect(parts, config), _understated(config), n_boot=config.n_boot, seed=config.seed)
    found = _result(material, config)
    write_json(Path(config.out) / FILE, found)
    # As it is read again, so that the screen and the report see one and the same.
    return read_json(Path(config.out) / FILE)


class _Steps:
    """One progress over stages of known sizes."""

    def __init__(self, progress: Progress | None, sizes: Sequence[int]) -> None:
        self._progress = progress
        self._sizes = sizes
        self._made = 0

    def of(self, stage: int) -> Progress:
        """Progress of one stage, whose own total is left aside."""
        return lambda done, _: self._tell(sum(self._sizes[:stage]) + done)

    def counter(self, stage: int) -> Callable[[], None]:
        """Called once for each thing that a stage has done."""

        def made() -> None:
            self._made += 1
            self._tell(sum(self._sizes[:stage]) + self._made)

        return made

    def _tell(self, done: int) -> None:
        if self._progress is not None:
            self._progress(done, sum(self._sizes))


def _result(material: Material, config: AuditConfig) -> dict[str, Any]:
    rows = [row for make in CHECKS for row in make(material)]
    counts = Counter(row.verdict for row in rows)
    return {
        "rows": [row.to_json() for row in rows],
        "red": red_reasons(rows),
        "verdicts": {verdict.value: counts[verdict] for verdict in (Verdict.GREEN, Verdict.GREY, Verdict.RED)},
        "looks": by_look(material),
        "zoom_rate": bins(material),
        "first_boxes": box_counts(material),
        "claims": claim_counts(material),
        "forced_crop_drop": list(drop(material)),
        "focus": focus_shares(material),
        "settings": {name: getattr(config, name) for name in ("seeds", "pristine", "shallow", "strengths", "limit")},
        "min_images": MIN_IMAGES,
        "protocol": read_json(Path(config.out) / SUMMARY)["protocol"],
    }


def _understated(config: AuditConfig) -> dict[str, float]:
    """By image, the points by which the overview looks better than the image is; empty where nobody measured them."""
    if not (Path(config.data) / "evidence" / f"{config.split}.jsonl").is_file():
        return {}
    return {item.id: item.overview_rating - item.rating for item in load_evidence(Path(config.data), config.split)}


def _load(config: AuditConfig) -> Policy:
    protocol = load_protocol(config.protocol)
    return load_policies(config.model, protocol, temperatures=[config.temperature], batch_size=config.batch_size)[0]
