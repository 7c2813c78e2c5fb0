"""The page of a data audit: verdicts first, pictures of pairs, and nothing that a file name could break."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from loupe.bench.data_audit_page import PAIRS, write_audit_page
from loupe.core.errors import DataError, MissingFileError
from loupe.core.files import read_json, write_json, write_jsonl
from loupe.core.records import Sample
from loupe.data.audit.config import DataAuditConfig
from loupe.data.audit.run import audit

EVIL = "a<script>alert(1)</script>{{ 7*7 }}'&.png"


def picture(seed: int) -> Image.Image:
    cells = np.random.default_rng(seed).integers(0, 256, (7, 7, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((120, 90), Image.Resampling.BICUBIC)


@pytest.fixture
def result(tmp_path: Path) -> Path:
    """Audit of a folder with a copy across splits, a reduced copy, and a broken image of a hostile name."""
    folder = tmp_path / "data"
    folder.mkdir()
    # A file cannot have a slash in its name; the row may.
    rows = [("train", "a.png"), ("test", "b.png"), ("test", "c.jpg"), ("train", "d.png"), ("val", EVIL)]
    for name, image in {"a.png": picture(1), "b.png": picture(1), "d.png": picture(2)}.items():
        image.save(folder / name)
    picture(2).resize((240, 180)).save(folder / "c.jpg")
    for split in ("train", "val", "test"):
        made = [Sample(name, name, "<b>set</b>", split, 3.0, 3.0) for place, name in rows if place == split]
        write_jsonl(folder / f"{split}.jsonl", (sample.to_json() for sample in made))
    return audit(DataAuditConfig(data=str(folder), workers=1))


def test_the_page_shows_verdicts_then_histograms_then_pairs_then_lists(result: Path):
    page = write_audit_page(result).read_text(encoding="utf-8")
    marks = ["Can this data be trusted?", "Images and opinions", "Exact duplicates", "Near duplicates", "Which ones"]
    places = [page.index(mark) for mark in marks]
    assert places == sorted(places)
    assert page.count("data:image/svg+xml;base64,") == 2
    assert page.count("data:image/png;base64,") == 4
    assert "same bytes, across splits" in page
    assert page.index('verdict fail">fail</span></td><th>images decode') < page.index("<th>image sizes")


def test_hostile_names_are_text(result: Path):
    page = write_audit_page(result).read_text(encoding="utf-8")
    assert "<script" not in page and "<b>set</b>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7*7 }}&#39;&amp;.png" in page
    assert "&lt;b&gt;set&lt;/b&gt;" in page


def test_an_image_that_went_away_has_its_place_and_a_path_that_leads_out_is_not_opened(result: Path):
    data = read_json(result)
    picture(3).save(result.parents[2] / "secret.png")
    near = next(item for item in data["findings"] if item["name"] == "near duplicates")
    near["pairs"] = [
        {**near["pairs"][0], "first": "gone.png"},
        {**near["pairs"][0], "second": "../secret.png"},
    ] * PAIRS
    write_json(result, data)
    page = write_audit_page(result).read_text(encoding="utf-8")
    assert page.count("cannot be opened") == PAIRS
    assert page.count("data:image/png;base64,") == 2 + PAIRS


def test_a_folder_without_a_readable_image_has_a_page(tmp_path: Path):
    write_jsonl(tmp_path / "test.jsonl", [Sample("a", "a.png", "set", "test", 3.0, 3.0).to_json()])
    page = write_audit_page(audit(DataAuditConfig(data=str(tmp_path), workers=1))).read_text(encoding="utf-8")
    assert "no image could be hashed" in page
    assert page.count("data:image/svg+xml;base64,") == 1


def test_what_is_no_audit_is_refused(tmp_path: Path):
    with pytest.raises(MissingFileError):
        write_audit_page(tmp_path / "audit.json")
    write_json(tmp_path / "audit.json", {"verdicts": 1})
    with pytest.raises(DataError, match="holds no findings"):
        write_audit_page(tmp_path / "audit.json")
