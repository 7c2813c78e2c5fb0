"""Looking up images: exactly, else whatever the case, and never by a guess."""

from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import DataError
from loupe.data.recipes.globs import compile_globs, walk
from loupe.data.recipes.index import ImageIndex, index_images


def test_an_exact_name_goes_before_one_that_differs_in_case() -> None:
    index = ImageIndex(["a/I01.bmp", "a/i01.bmp"])
    assert index.find("i01.bmp") == "a/i01.bmp"
    assert index.find("I01.bmp") == "a/I01.bmp"


def test_the_case_is_ignored_where_the_exact_name_is_not_there() -> None:
    assert ImageIndex(["a/I01.BMP"]).find("i01.bmp") == "a/I01.BMP"
    assert ImageIndex(["AWGN/x.png"]).find("awgn/X.png") == "AWGN/x.png"


def test_two_files_of_one_name_are_an_error_that_names_them() -> None:
    with pytest.raises(DataError, match=r"x\.png may be any of 2 files \(a/x\.png, b/x\.png\); narrow `images`"):
        ImageIndex(["a/x.png", "b/x.png"]).find("x.png")


def test_a_folder_in_the_name_tells_them_apart() -> None:
    index = ImageIndex(["root/a/x.png", "root/b/x.png", "root/bb/x.png"])
    assert index.find("b/x.png") == "root/b/x.png"
    assert index.find("c/x.png") is None


def test_a_name_that_leads_upwards_is_refused() -> None:
    with pytest.raises(DataError, match="leads upwards"):
        ImageIndex(["a/x.png"]).find("../a/x.png")


def test_what_nobody_asked_for_is_unused() -> None:
    index = ImageIndex(["a/x.png", "a/y.png"])
    index.find("X.png")
    assert index.unused() == ["a/y.png"]


@pytest.mark.parametrize(
    ("glob", "path", "fits"),
    [
        ("**/x.csv", "x.csv", True),
        ("**/x.csv", "a/b/X.CSV", True),
        ("**/x.csv", "a/yx.csv", False),
        ("a/*.png", "a/b/c.png", False),
        ("a/**", "a/b/c.png", True),
        ("I0?.png", "I01.png", True),
        ("labels=640_padded.csv", "labels=640_padded.csv", True),
        ("a.c", "abc", False),
        ("t[1-7].bmp", "t7.bmp", True),
        ("t[1-7].bmp", "t8.bmp", False),
        ("t[!1-7].bmp", "t8.bmp", True),
        ("t[1-7].bmp", "t1-7.bmp", False),
        ("x.csv", "x.csv.bak", False),
    ],
)
def test_a_glob_matches_what_it_says(glob: str, path: str, fits: bool) -> None:
    assert bool(compile_globs([glob]).match(path)) is fits


def test_a_walk_leaves_out_hidden_files_and_the_folder_that_is_written(tmp_path: Path) -> None:
    for name in ("a/x.png", ".cache/y.png", "__MACOSX/z.png", "out/x.png", "a/.DS_Store"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert list(walk(tmp_path, leave_out=tmp_path / "out")) == ["a/x.png"]


def test_only_image_files_are_indexed(release: Any) -> None:
    release.images("a/x.png", "b/y.JPG")
    release.text("a/readme.txt", "")
    files = list(walk(release.root))
    assert len(index_images(files, ["**"])) == 2
    assert len(index_images(files, ["a/*"])) == 1
