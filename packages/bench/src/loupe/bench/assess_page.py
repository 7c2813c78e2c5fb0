"""The HTML page of `loupe assess`: a table of the verdicts, and the trail of each picture."""

from collections.abc import Sequence
from pathlib import Path

from loupe.bench.assess import POCKET_CAVEAT, Judgement
from loupe.bench.pages import render_page
from loupe.bench.trails import Trail, trail
from loupe.core.errors import ImageError, MissingFileError
from loupe.core.files import write_text_atomic
from loupe.core.images import open_image
from loupe.core.model.checkpoints import SHIPPED

MOST_TRAILS = 200
"""Pictures whose trail a page shows; the table names them all."""


def write_assess_page(judgements: Sequence[Judgement], path: Path, *, model: str) -> None:
    """Write one self-contained page. A picture that has gone since it was judged has a row and no trail."""
    # A comparison has two pictures and one answer: the table says all of it.
    played = [item for item in judgements if item.samples and "choice" not in item.asks]
    trails = [made for item in played[:MOST_TRAILS] if (made := _trail(item)) is not None]
    page = render_page(
        "assess.html.jinja",
        judgements=judgements,
        trails=trails,
        left_out=len(played) - len(trails),
        model=model,
        caveat=POCKET_CAVEAT if model in SHIPPED else None,
    )
    write_text_atomic(path, page)


def _trail(item: Judgement) -> Trail | None:
    if item.main is None:
        return None
    try:
        return trail(open_image(item.image), item.main, title=item.image, asks=item.asks)
    except (ImageError, MissingFileError):
        return None
