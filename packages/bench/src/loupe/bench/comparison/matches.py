"""The pairs of a data folder, with the samples that they are made of: what a comparing agent is asked about.

`loupe data pairs` writes them in both orders; pairs that came with a data set may stand in one, and may name a
reference. Images are opened a chunk at a time, each once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loupe.bench.comparison.answers import Answered
from loupe.core.errors import DataError, MissingFileError
from loupe.core.files import inside, read_jsonl
from loupe.core.images import open_image
from loupe.core.protocol import Protocol
from loupe.core.records import CHOICES, Sample
from loupe.data.store import load_samples
from loupe.zoom.loop import LoopInput

REFERENCE = "{image3}"
"""Stands in the question of a protocol that shows the reference."""


@dataclass(frozen=True, slots=True)
class Match:
    """Two images to compare in this order, and the right choice between them. `reference` is the file of the image that
    both were made from, in the data folder, None where it is not shown."""

    a: Sample
    b: Sample
    choice: str
    reference: str | None = None

    @property
    def key(self) -> str:
        """Unique in a file of pairs: the ids and the reference, with a backslash before what looks like a bar."""
        names = (self.a.id, self.b.id, *([self.reference] if self.reference else []))
        return "|".join(name.replace("\\", "\\\\").replace("|", "\\|") for name in names)

    def answered(self, said: str | None) -> Answered:
        """The question with the choice that was made."""
        return Answered(self.a, self.b, self.choice, said, self.reference)


def pairs_file(folder: Path, split: str) -> Path:
    """Where the pairs of a split lie."""
    return folder / f"pairs-{split}.jsonl"


def load_matches(folder: Path, split: str, *, protocol: Protocol) -> list[Match]:
    """The pairs of a split in the order of their file; the reference only where the protocol shows one.

    Raises MissingFileError, DataError for a row that is no pair of the split's images, that comes twice, or that lacks
    the reference which the protocol shows.
    """
    path, samples = pairs_file(folder, split), {sample.id: sample for sample in load_samples(folder, split)}
    if not path.is_file():
        raise MissingFileError(
            f"no {path}: the protocol {protocol.name!r} compares images; make pairs with "
            f"`loupe data pairs data={folder} split={split}`"
        )
    shown = any(REFERENCE in text for text in (protocol.question, *protocol.questions))
    matches: dict[str, Match] = {}
    for line, row in enumerate(read_jsonl(path), start=1):
        match = _match(row, samples, with_reference=shown, where=f"{path}, line {line}")
        if match.key in matches:
            raise DataError(f"{path}, line {line}: {match.key} comes twice in this order; wanted each pair once")
        matches[match.key] = match
    return list(matches.values())


def match_inputs(folder: Path, matches: Sequence[Match]) -> list[LoopInput]:
    """One input of the loop a match: image A, and behind it B and the reference, each file read once."""
    shown = {
        match.key: [match.a.image, match.b.image, *([match.reference] if match.reference else [])] for match in matches
    }
    files = dict.fromkeys(file for names in shown.values() for file in names)
    images = {file: open_image(inside(folder, file)) for file in files}
    return [
        LoopInput(key, key, images[first], others=tuple(images[file] for file in others))
        for key, (first, *others) in shown.items()
    ]


def _match(row: dict[str, Any], samples: dict[str, Sample], *, with_reference: bool, where: str) -> Match:
    a, b, choice, reference = (row.get(key) for key in ("image_a", "image_b", "choice", "reference"))
    found = [samples.get(str(name)) for name in (a, b)]
    first, second = found
    if first is None or second is None or first is second or choice not in CHOICES:
        raise DataError(
            f"{where}: got image_a {a!r:.80}, image_b {b!r:.80}, choice {choice!r:.80}; wanted two images of the split "
            f"and one of {', '.join(CHOICES)}"
        )
    if not with_reference:
        return Match(first, second, str(choice))
    against = samples.get(str(reference))
    shared = first.reference if reference is None and first.reference == second.reference else None
    file = shared if against is None else against.image
    if file is None:
        raise DataError(
            f"{where}: got the reference {reference!r:.80}; the protocol shows one, wanted an image of the split, or "
            "none where both images name one file as theirs: take the protocol compare, or pairs with a reference"
        )
    return Match(first, second, str(choice), file)
