"""The HTML page of `loupe rank`: pictures in order with thumbnails, scores, and how sure each rank is."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from loupe.bench.assess import POCKET_CAVEAT
from loupe.bench.pages import render_page
from loupe.bench.ranking.ranks import share_of
from loupe.bench.ranking.records import Ranked, Ranking
from loupe.bench.trails import data_uri
from loupe.core.errors import ImageError, MissingFileError
from loupe.core.files import write_text_atomic
from loupe.core.images import open_image
from loupe.core.model.checkpoints import SHIPPED

MOST_THUMBNAILS = 200
"""Pictures that a page shows; it names them all."""
_SIDE = 320
"""Longest side in pixels of a thumbnail."""


@dataclass(frozen=True, slots=True)
class Row:
    """One picture on the page. `thumbnail` is a data URI, None where there is none; `low`, `at` and `high` place score
    and interval on a line from 0 to 100; `first` is the share of draws in which it is the best, None without draws."""

    item: Ranked
    thumbnail: str | None
    near: str
    first: float | None
    at: float
    low: float | None
    high: float | None


def write_rank_page(ranking: Ranking, path: Path) -> None:
    """Write one self-contained page. A picture that has gone since it was ranked has a row without a thumbnail."""
    page = render_page(
        "rank.html.jinja",
        ranking=ranking,
        rows=_rows(ranking),
        left_out=max(0, len(ranking.pictures) - MOST_THUMBNAILS),
        drawn=any(item.ranks for item in ranking.pictures),
        caveat=POCKET_CAVEAT if ranking.model in SHIPPED else None,
    )
    write_text_atomic(path, page)


def _rows(ranking: Ranking) -> list[Row]:
    ends = [end for item in ranking.pictures for end in (item.score, *(item.interval or ()))]
    return [
        _row(item, ranking, ends=ends, thumbnail=_thumbnail(item.image) if number < MOST_THUMBNAILS else None)
        for number, item in enumerate(ranking.pictures)
    ]


def _row(item: Ranked, ranking: Ranking, *, ends: Sequence[float], thumbnail: str | None) -> Row:
    low, span = min(ends), max(ends) - min(ends)
    at, left, right = (
        None if value is None else 100.0 * (value - low) / span if span else 50.0
        for value in (item.score, *(item.interval or (None, None)))
    )
    return Row(
        item=item,
        thumbnail=thumbnail,
        near=ranking.near(item),
        first=None if item.shares is None else share_of(item.shares, rank=1),
        at=50.0 if at is None else at,
        low=left,
        high=right,
    )


def _thumbnail(path: str) -> str | None:
    try:
        image = open_image(path)
    except (ImageError, MissingFileError):
        return None
    image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
    return data_uri(image)
