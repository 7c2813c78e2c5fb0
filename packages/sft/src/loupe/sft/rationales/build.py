"""`loupe data rationales`, whole: settings in, a data folder of grounded rationales out.

After Zoom-IQA's construction of GR-IQA: a teacher writes, Visual Reliance Filtering drops what it would have written
without the picture, Hint-Augmented Consistency Filtering what measurements speak against. Pictures are worked on side
by side; what becomes of one depends on its id, the seed and the answers about it alone.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

from loupe.core.errors import DataError
from loupe.core.model.endpoint import EndpointPolicy
from loupe.core.model.endpoint_journal import Cost, Journal
from loupe.core.model.threads import in_threads
from loupe.core.policy import Policy
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import Sample
from loupe.data.store import load_evidence, load_samples
from loupe.sft.rationales.config import SPLITS, RationalesConfig
from loupe.sft.rationales.consistency import ConsistencyFilter
from loupe.sft.rationales.folder import MANIFEST, STAGES, claimed
from loupe.sft.rationales.generate import Generator
from loupe.sft.rationales.judge import EndpointJudge, Judge, RuleJudge
from loupe.sft.rationales.pack import pack
from loupe.sft.rationales.pictures import check_ids, check_measurable, check_pictures
from loupe.sft.rationales.prompts import Prompts, load_prompts
from loupe.sft.rationales.reliance import RelianceFilter
from loupe.sft.rationales.settle import Builder, Settled
from loupe.sft.rationales.stage import Stage
from loupe.sft.rationales.truth import TruthPolicy

Progress = Callable[[int, int], None]


def build_rationales(config: RationalesConfig, *, progress: Progress = lambda done, total: None) -> dict[str, Any]:
    """Write the folder; returns its manifest. `progress(done, total)` counts pictures that are settled.

    Raises ConfigError, MissingFileError, DataError, ImageError before any request; ModelError where an endpoint cannot
    be used, and UnansweredError where it gave no answer for too long: then the same run can go on later. DataError also
    at the end, with all files written, where nothing was kept.
    """
    config.check()
    protocol, prompts = load_protocol(config.protocol), load_prompts(config.prompts)
    samples = [sample for split in config.splits for sample in _pictures(config, split)]
    check_ids(samples)
    check_pictures(Path(config.data), [*samples, *_taken_over(config)])
    check_measurable(Path(config.data), samples)
    fingerprints = {"protocol": protocol.fingerprint, "prompts": prompts.fingerprint}
    _check_settings(config)
    with claimed(config, fingerprints=fingerprints) as out:
        manifest = _built(config, protocol, prompts, samples=samples, out=out, progress=progress)
    if not manifest["counts"]["kept"]:
        raise DataError(_nothing_kept(manifest, out))
    return manifest


def _built(
    config: RationalesConfig,
    protocol: Protocol,
    prompts: Prompts,
    *,
    samples: list[Sample],
    out: Path,
    progress: Progress,
) -> dict[str, Any]:
    """All stages over all pictures."""
    fingerprints = {"protocol": protocol.fingerprint, "prompts": prompts.fingerprint}
    journals = {name: Journal(out / "requests" / f"{name}.jsonl") for name in STAGES}
    stages = {name: Stage(out / "stages" / f"{name}.jsonl") for name in STAGES}
    builder = _builder(config, protocol, prompts, samples=samples, journals=journals, stages=stages)
    settled: dict[int, Settled] = {}
    for place, item in in_threads(samples, builder.settle, workers=_workers(config)):
        settled[place] = item
        progress(len(settled), len(samples))
    costs: dict[str, Cost] = {name: journal.cost() for name, journal in journals.items()}
    return pack(settled.values(), config, stages=stages, costs=costs, fingerprints=fingerprints)


def _nothing_kept(manifest: dict[str, Any], out: Path) -> str:
    """One line: how often an attempt failed in each stage, and the commonest reason."""
    causes = [
        f"{count} times {stage}: {reason}"
        for stage, reasons in manifest["reasons"].items()
        for reason, count in sorted(reasons.items(), key=lambda item: -item[1])[:1]
    ]
    return (
        f"nothing was kept of {manifest['counts']['items']} images ({'; '.join(causes)}); read items.jsonl in {out}, "
        "then change the teacher or a filter and give another out"
    )


def _taken_over(config: RationalesConfig) -> list[Sample]:
    """Samples of the splits that are not written for."""
    data = Path(config.data)
    others = [split for split in SPLITS if split not in config.splits and (data / f"{split}.jsonl").is_file()]
    return [sample for split in others for sample in load_samples(data, split)]


def _pictures(config: RationalesConfig, split: str) -> list[Sample]:
    samples = drawn(load_samples(Path(config.data), split), limit=config.limit, seed=config.seed)
    if not samples:
        raise DataError(f"{config.data}: {split}.jsonl is empty; wanted labelled pictures, or leave it out of splits")
    if strange := [sample.id for sample in samples if sample.split != split]:
        raise DataError(f"{config.data}: {strange[0]!r} stands in {split}.jsonl and says that it is of another split")
    return samples


def drawn(samples: list[Sample], *, limit: int, seed: int) -> list[Sample]:
    """The pictures to use: all of them, or `limit`, drawn by seed, in the order of the folder."""
    if not limit or limit >= len(samples):
        return samples
    places = sorted(Random(seed).sample(range(len(samples)), limit))
    return [samples[place] for place in places]


def _check_settings(config: RationalesConfig) -> None:
    """Endpoints and keys, before the folder is claimed."""
    asked = [config.endpoint] if config.teacher == "endpoint" else []
    if config.consistency.enabled and config.consistency.judge == "endpoint":
        asked.append(config.consistency.judge_endpoint)
    for endpoint in asked:
        endpoint.check()
        endpoint.key()


def _builder(
    config: RationalesConfig,
    protocol: Protocol,
    prompts: Prompts,
    *,
    samples: list[Sample],
    journals: dict[str, Journal],
    stages: dict[str, Stage],
) -> Builder:
    writer, continuer = _teachers(config, protocol, samples=samples, journals=journals)
    reliance = RelianceFilter(continuer, protocol, prompts, config.reliance, config.seed)
    consistency = config.consistency
    return Builder(
        data=Path(config.data),
        generator=Generator(writer, protocol, prompts, config.tell_opinion, config.rating_tolerance, config.seed),
        reliance=reliance if config.reliance.enabled else None,
        consistency=ConsistencyFilter(
            judge=_judge(config, prompts, journals["consistency"]) if consistency.enabled else None,
            protocol=protocol,
            use_label=consistency.use_label,
            tell_opinion=config.tell_opinion,
            max_dropped_share=consistency.max_dropped_share,
        ),
        stages=stages,
        attempts=config.attempts,
        drop_unanswered=config.on_failure == "drop",
    )


def _teachers(
    config: RationalesConfig, protocol: Protocol, *, samples: list[Sample], journals: dict[str, Journal]
) -> tuple[Policy, Policy]:
    """Who writes, and who goes on without the picture: the same teacher, with a journal for each stage."""
    if config.teacher == "truth":
        folder = Path(config.data)
        there = [split for split in config.splits if (folder / "evidence" / f"{split}.jsonl").is_file()]
        evidence = [item for split in there for item in load_evidence(folder, split)]
        truth = TruthPolicy(samples, evidence, protocol)
        return truth, truth
    writer = EndpointPolicy(config.endpoint, journal=journals["generate"])
    # A finished run has nothing left to ask, and may be packed again where no server is.
    if journals["generate"].cost().failed or not (Path(config.out) / MANIFEST).is_file():
        writer.check_sight()
    return writer, EndpointPolicy(config.endpoint, journal=journals["reliance"])


def _judge(config: RationalesConfig, prompts: Prompts, journal: Journal) -> Judge:
    if config.consistency.judge == "rules":
        return RuleJudge(config.consistency.bounds)
    policy = EndpointPolicy(config.consistency.judge_endpoint, journal=journal)
    return EndpointJudge(policy, prompts, seed=config.seed)


def _workers(config: RationalesConfig) -> int:
    """Pictures worked on at a time: as many as there may be requests."""
    asked = [config.endpoint.concurrency] if config.teacher == "endpoint" else [1]
    if config.consistency.enabled and config.consistency.judge == "endpoint":
        asked.append(config.consistency.judge_endpoint.concurrency)
    return max(asked)
