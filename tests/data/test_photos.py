import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from loupe.core.errors import DataError, ImageError, MissingFileError
from loupe.data.photos import check_photos, list_photos, photo_window


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "astronaut.jpg"
    Image.fromarray(skimage.data.astronaut()).save(path, quality=95)
    return path


def save(path: Path, width: int, height: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), "olive").save(path)
    return path


@pytest.mark.parametrize("size", [56, 224, 512])
def test_a_window_has_the_size_asked_for(photo: Path, size: int):
    window = photo_window(photo, 3, size=size)
    assert (window.shape, window.dtype) == ((size, size, 3), np.uint8)
    assert window.std() > 20


def test_a_seed_gives_its_window_and_no_other(photo: Path):
    assert (photo_window(photo, 1, size=96) == photo_window(photo, 1, size=96)).all()
    assert (photo_window(photo, 1, size=96) != photo_window(photo, 2, size=96)).any()


def test_a_photograph_of_just_the_size_is_its_own_window(tmp_path: Path):
    path = tmp_path / "exact.png"
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    assert (photo_window(path, 5, size=64) == pixels).all()


def test_a_photograph_that_is_too_small_is_refused_with_its_size(tmp_path: Path):
    path = save(tmp_path / "small.png", 300, 99)
    with pytest.raises(DataError, match=r"small\.png is 300 × 99; wanted at least 100"):
        photo_window(path, 0, size=100)


def test_a_file_that_is_no_picture_is_refused_by_name(tmp_path: Path):
    path = tmp_path / "fake.jpg"
    path.write_text("hello")
    with pytest.raises(ImageError, match=r"fake\.jpg"):
        photo_window(path, 0)


def test_photographs_are_found_at_any_depth_in_a_fixed_order(tmp_path: Path):
    wanted = [save(tmp_path / name, 9, 9) for name in ("a/x.JPG", "b.png", "c/d/y.webp")]
    (tmp_path / "notes.txt").write_text("no photograph")
    (tmp_path / "folder.jpg").mkdir()
    assert list_photos(tmp_path) == wanted


def test_no_folder_and_an_empty_folder_are_two_errors(tmp_path: Path):
    with pytest.raises(MissingFileError, match="nowhere"):
        list_photos(tmp_path / "nowhere")
    with pytest.raises(DataError, match="no photographs below"):
        list_photos(tmp_path)


def test_unfit_photographs_are_all_counted_and_the_first_ones_named(tmp_path: Path):
    paths = [save(tmp_path / f"{number}.png", 20 + number, 40) for number in range(5)]
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    good = save(tmp_path / "good.png", 64, 64)
    with pytest.raises(DataError, match=r"6 of .*broken\.jpg \(no picture.*0\.png \(20 × 40\).* and 3 more"):
        check_photos([tmp_path / "broken.jpg", *paths, good], size=56)
    check_photos([good], size=56)


@pytest.mark.skipif(sys.platform == "win32", reason="names of files are text there")
def test_a_folder_of_photographs_may_be_a_link(tmp_path: Path):
    save(tmp_path / "real" / "a.png", 9, 9)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert [path.name for path in list_photos(tmp_path / "link")] == ["a.png"]
