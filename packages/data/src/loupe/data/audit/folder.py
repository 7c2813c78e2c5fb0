"""The rows of a data folder and where their files lie: what every check starts from."""

from dataclasses import dataclass, field
from pathlib import Path

from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.files import inside
from loupe.core.records import Sample
from loupe.data.audit.facts import Facts, Stamp
from loupe.data.store import load_samples

SPLITS = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Seen:
    """All rows of a folder with what is known of their files, by the path that the rows give.

    `missing` are the paths without a file, with the reason; `facts` hold images, `references` the reference images.
    """

    samples: tuple[Sample, ...]
    facts: dict[str, Facts] = field(default_factory=dict[str, Facts])
    references: dict[str, Facts] = field(default_factory=dict[str, Facts])
    missing: dict[str, str] = field(default_factory=dict[str, str])

    def of(self, sample: Sample) -> Facts | None:
        """Facts of the image of a row; None where the file is missing or cannot be decoded."""
        found = self.facts.get(sample.image)
        return None if found is None or found.problem else found


def rows_of(folder: Path) -> tuple[Sample, ...]:
    """Rows of all splits that are there. Raises MissingFileError for no folder or no split, DataError for no rows."""
    if not folder.is_dir():
        raise MissingFileError(f"no folder {folder}; give a data folder, as `loupe data build` or `synth` writes it")
    splits = [split for split in SPLITS if (folder / f"{split}.jsonl").is_file()]
    if not splits:
        raise MissingFileError(
            f"{folder} holds none of train.jsonl, val.jsonl, test.jsonl; give a data folder, as `loupe data build` or "
            "`synth` writes it"
        )
    samples = tuple(sample for split in splits for sample in in_split(load_samples(folder, split), split))
    if not samples:
        raise DataError(f"{folder} has no rows in {', '.join(splits)}; build it again")
    return samples


def in_split(samples: list[Sample], split: str) -> list[Sample]:
    """The samples, all of which must say that they are of this split. Raises DataError."""
    for sample in samples:
        if sample.split != split:
            raise DataError(f"{split}.jsonl: {sample.id!r} says split {sample.split!r}; wanted {split!r}")
    return samples


def stamp_of(folder: Path, relative: str) -> Stamp | str:
    """Stamp of a file of the folder, or a line that says why there is none."""
    try:
        path = inside(folder, relative)
        stat = path.stat()
    except DataError as error:
        return str(error)
    except (OSError, ValueError) as error:
        return f"no file ({getattr(error, 'strerror', None) or error})"
    return Stamp(str(path), stat.st_size, stat.st_mtime_ns)


def out_folder(data: Path, out: str) -> Path:
    """Folder to write into. Raises ConfigError where it is a file."""
    folder = Path(out) if out else data / "audit"
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"out={folder} is a file; give the name of a folder")
    return folder
