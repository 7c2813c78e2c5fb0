"""The labelled images of one split of a data folder, as evaluation reads them."""

from pathlib import Path

from loupe.core.errors import DataError, MissingFileError
from loupe.core.files import read_jsonl
from loupe.core.records import Sample


def read_samples(folder: Path, split: str) -> list[Sample]:
    """Samples of `folder`/{split}.jsonl in file order.

    Raises MissingFileError where the split is not there, DataError for a row that is no sample, an id that comes twice,
    or a split without samples.
    """
    path = folder / f"{split}.jsonl"
    if not path.is_file():
        known = ", ".join(sorted(item.stem for item in folder.glob("*.jsonl"))) or "none"
        raise MissingFileError(f"no split {split!r} in {folder} (splits there: {known}); make it with loupe data")
    samples: dict[str, Sample] = {}
    for number, row in enumerate(read_jsonl(path), start=1):
        try:
            sample = Sample.from_json(row)
        except (KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path}, row {number} is no sample ({error!r:.120}); make the folder again") from error
        if sample.id in samples:
            raise DataError(f"{path}, row {number}: the id {sample.id!r} comes twice; wanted one row an image")
        samples[sample.id] = sample
    if not samples:
        raise DataError(f"{path} holds no samples; make the folder again")
    return list(samples.values())
