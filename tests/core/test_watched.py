"""The images that a training watches stay with its run folder, small, and in their order."""

import json
from pathlib import Path

import pytest
from PIL import Image

from loupe.core.errors import DataError
from loupe.core.records import Sample
from loupe.core.watched import SIDE, keep_watched, read_watched


def sample(name: str) -> Sample:
    return Sample(name, f"{name}.png", "d", "val", 3.0, 3.0)


def test_what_was_kept_is_read_again_small_images_to_the_pixel(tmp_path: Path) -> None:
    small, large = Image.effect_noise((40, 30), 60).convert("RGB"), Image.new("RGB", (2 * SIDE, SIDE), "red")
    keep_watched(tmp_path, [(sample("../b"), small), (sample("a"), large)])
    first, second = read_watched(tmp_path)
    assert [first.sample, second.sample] == [sample("../b"), sample("a")]
    with Image.open(first.path) as kept:
        assert kept.tobytes() == small.tobytes()
    with Image.open(second.path) as kept:
        assert kept.size == (SIDE, SIDE // 2)
    assert large.size == (2 * SIDE, SIDE)


def test_keeping_others_takes_the_place_of_those_before(tmp_path: Path) -> None:
    image = Image.new("RGB", (8, 8))
    keep_watched(tmp_path, [(sample("a"), image), (sample("b"), image)])
    keep_watched(tmp_path, [(sample("c"), image)])
    assert [item.sample.id for item in read_watched(tmp_path)] == ["c"]


def test_a_folder_that_kept_none_has_none(tmp_path: Path) -> None:
    assert read_watched(tmp_path) == []


@pytest.mark.parametrize("row", [{"file": "../../x.png", "sample": sample("a").to_json()}, {"file": "000.png"}, 3])
def test_an_index_of_another_form_is_refused(tmp_path: Path, row: object) -> None:
    keep_watched(tmp_path, [(sample("a"), Image.new("RGB", (8, 8)))])
    (tmp_path / "watched" / "index.json").write_text(json.dumps({"images": [row]}))
    with pytest.raises(DataError):
        read_watched(tmp_path)
