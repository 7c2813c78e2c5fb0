"""Small data folders: rows that are written as they are given, and pictures that nothing but their seed decides."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loupe.core.files import write_jsonl
from loupe.core.records import Sample
from loupe.data.audit.by_dataset import Rated, by_dataset
from loupe.data.audit.cache import Cache
from loupe.data.audit.folder import Seen, rows_of
from loupe.data.audit.scan import scan


def make_picture(seed: int, *, size: tuple[int, int] = (96, 80)) -> Image.Image:
    """A smooth picture of random colours; two seeds have nothing in common."""
    cells = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC)


def make_rows(mos: Sequence[float], **fields: Any) -> list[Sample]:
    """Rows `row-0`, `row-1`, … of a test split with these opinions and the nominal rating of their scale."""
    start = Sample("", "", "made", "test", 0.0, 0.0, **fields)
    made: list[Sample] = []
    for number, value in enumerate(mos):
        share = (value - start.scale_min) / (start.scale_max - start.scale_min)
        rating = 1 + 4 * (share if start.higher_is_better else 1 - share)
        made.append(replace(start, id=f"row-{number}", image=f"{number}.png", mos=value, rating=rating))
    return made


@pytest.fixture
def picture() -> Callable[..., Image.Image]:
    return make_picture


@pytest.fixture
def rows() -> Callable[..., list[Sample]]:
    return make_rows


@pytest.fixture
def rated() -> Callable[[Sequence[Sample]], Rated]:
    """What checks of labels take, of rows of one data set."""

    def make(samples: Sequence[Sample]) -> Rated:
        (made,) = by_dataset(samples)
        return made

    return make


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Seen]:
    """Writes rows and files into a new folder, and gives what a scan of it sees."""

    count = itertools.count()

    def make(samples: Sequence[Sample], files: Mapping[str, Image.Image | bytes]) -> Seen:
        folder = tmp_path / f"data-{next(count)}"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                content.save(path)
        for split in {sample.split for sample in samples}:
            write_jsonl(folder / f"{split}.jsonl", (s.to_json() for s in samples if s.split == split))
        cache = Cache(folder / "cache.jsonl", max_pixels=10**6)
        return scan(folder, rows_of(folder), cache=cache, workers=1, progress=lambda done, total: None)

    return make
