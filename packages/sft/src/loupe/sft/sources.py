"""Where examples come from: rationales in a file, the images they speak of, the protocol that they are written in."""

from collections.abc import Container
from dataclasses import dataclass
from math import isfinite
from pathlib import Path

import numpy as np

from loupe.core.errors import ConfigError, DataError, LoupeError, MissingFileError
from loupe.core.files import read_json, read_jsonl
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import Rationale
from loupe.data.store import load_samples
from loupe.sft.examples import Example, examples_of
from loupe.sft.rows import rationale_of


@dataclass
class RationaleSource:
    """One part of a mix: the rationales of a data folder, or of any file in the same form."""

    rationales: str = ""
    """JSONL with rationales of training images; empty for rationales/train.jsonl in the data folder."""
    held_out: str = ""
    """The same of validation images, for evaluation; empty for rationales/val.jsonl in the data folder, and for none
    where `rationales` names a file."""
    data: str = ""
    """Data folder that the images lie in; empty for that of the stage."""
    protocol: str = ""
    """Protocol that the rationales are written in, by name or path; empty for that of the stage."""
    limit: int = 0
    """Rationales to learn from, drawn from all; 0 takes all."""
    weight: float = 1.0
    """How often an epoch shows each example: 2 is twice; 0.5 shows one half of them, the same half in every epoch."""

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if self.limit < 0:
            raise ConfigError(f"limit: got {self.limit}; wanted 0 or more rationales")
        if not (isfinite(self.weight) and self.weight > 0):
            raise ConfigError(f"weight: got {self.weight}; wanted a number above 0, or leave the source out")

    def file(self, split: str) -> Path | None:
        """The rationales of a split, train or val; None where the source has none."""
        if named := self.rationales if split == "train" else self.held_out:
            return Path(named)
        return None if self.rationales else Path(self.data) / "rationales" / f"{split}.jsonl"


def load_examples(source: RationaleSource, name: str, *, split: str = "train", limit: int = 0) -> list[Example]:
    """Examples of a split in the order of the file: `limit` of its rationales, drawn, where that is not 0.

    `name` is what the mix calls the source; its `data` and `protocol` are filled in. The rationale of a comparison
    names its images "first|second". Raises MissingFileError, and DataError where a row is no rationale, names no image
    of the split or takes more looks than the protocol has, and where all were written in another protocol.
    """
    file, folder, protocol = source.file(split), Path(source.data), load_protocol(source.protocol)
    if file is None:
        return []
    samples = {sample.id: sample for sample in load_samples(folder, split)}
    rationales = _read(file, split)
    _check_protocol(file, protocol)
    if limit:
        # Drawn, for the file goes by pristine image; the same ones every time.
        drawn = np.random.default_rng(0).permutation(len(rationales))[:limit]
        rationales = [rationales[place] for place in sorted(drawn.tolist())]
    shown = [[samples.get(part) for part in _images(item, samples)] for item in rationales]
    if strangers := [item.sample_id for item, found in zip(rationales, shown, strict=True) if None in found]:
        raise DataError(f"{file}: {len(strangers)} rationales name no image of {split}.jsonl, first {strangers[0]!r}")
    if (longest := max((len(item.turns) for item in rationales), default=0)) > protocol.max_rounds:
        raise DataError(f"{file}: a rationale takes {longest} looks, {protocol.name} allows {protocol.max_rounds}")
    return [
        example
        for item in rationales
        for example in examples_of(
            item,
            [samples[part] for part in _images(item, samples)],
            folder=folder,
            protocol=protocol,
            source=name,
        )
    ]


def _images(rationale: Rationale, known: Container[str]) -> list[str]:
    """Ids of the images that a rationale is about; several where its own id is none."""
    whole = rationale.sample_id
    return [whole] if whole in known else whole.split("|")


def _read(path: Path, split: str) -> list[Rationale]:
    if not path.is_file():
        instead = "sources.NAME.held_out, or set eval_every=0" if split == "val" else "sources.NAME.rationales"
        raise MissingFileError(
            f"no {path}; make it with `loupe data synth` or `loupe data rationales`, or name another in {instead}"
        )
    rationales: list[Rationale] = []
    for row in read_jsonl(path):
        try:
            rationales.append(rationale_of(row))
        except (TypeError, KeyError, ValueError) as error:
            line = _line_of(path, len(rationales))
            raise DataError(f"{path}, line {line}: a row does not fit ({error}); mend it or take it out") from error
    return rationales


def _line_of(path: Path, place: int) -> int:
    """Number of the line that a row is on; empty lines are no rows."""
    return [number for number, line in enumerate(path.read_bytes().split(b"\n"), 1) if line.strip()][place]


def _check_protocol(file: Path, protocol: Protocol) -> None:
    """Raises DataError where a builder wrote the folder of rationales that a file is in, and in another protocol."""
    manifest = file.parent.parent / "manifest.json"
    if file.parent.name != "rationales" or not manifest.is_file():
        return
    settings = read_json(manifest).get("config")
    written: object = settings.get("protocol") if isinstance(settings, dict) else None
    if not isinstance(written, str):
        return
    try:
        name = load_protocol(written).name
    except LoupeError:
        # A file that is elsewhere by now.
        name = written
    if protocol.name not in (name, written):
        raise DataError(
            f"{file} was written in the protocol {name}; got protocol={protocol.name}, set protocol={written} or name "
            "other rationales"
        )
