"""Releases that are not what they should be: names that mean one file, cells that shift, pictures that changed."""

import os
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loupe.core.config import load_config
from loupe.core.errors import DataError, MissingFileError
from loupe.data.recipes.build import build
from loupe.data.recipes.index import ImageIndex
from loupe.data.recipes.recipe import Recipe

WORDS = ("name=own", "labels=[labels.csv]", "scale_min=1", "scale_max=5", "columns.image=image", "columns.mos=mos")


@pytest.fixture
def own(release: Any) -> Callable[..., Any]:
    """Builds labels.csv and the images of a release as they are."""

    def run(*overrides: str) -> Any:
        return build(load_config(Recipe, None, [*WORDS, f"root={release.root}", f"out={release.out}", *overrides]))

    return run


@pytest.mark.parametrize("names", [("A.png", "a.png"), ("i/A.png", "A.png")])
def test_two_names_that_mean_one_file_are_refused(own: Callable[..., Any], release: Any, names: Any) -> None:
    release.images("i/A.png", "i/b.png")
    release.text("labels.csv", "image,mos", f"{names[0]},2", f"{names[1]},4", "b.png,3")
    with pytest.raises(DataError, match=rf"{names[0]} and {names[1]} both mean the file i/A\.png; wanted one row an"):
        own()


def test_two_names_that_would_have_one_id_are_both_named(own: Callable[..., Any], release: Any) -> None:
    release.images("x.png", "x.jpg")
    release.text("labels.csv", "image,mos", "x.png,2", "x.jpg,4")
    with pytest.raises(DataError, match=r"x\.png and x\.jpg would share the id own-x"):
        own()


def test_rows_with_more_cells_than_names_are_refused_and_not_shifted(own: Callable[..., Any], release: Any) -> None:
    # A reader that takes the first cells for names of rows finds 2 as an image and 3 as its opinion.
    release.images("2.png", "4.png")
    release.text("labels.csv", "n,image,mos", "1,2.png,3,4", "2,4.png,5,4")
    with pytest.raises(DataError, match=r"labels\.csv, line 2: more cells than the first line has names"):
        own()


def test_a_file_name_that_is_not_unicode_is_refused(own: Callable[..., Any], release: Any) -> None:
    release.images("a.png")
    try:
        (release.root / "a.png").rename(release.root / os.fsdecode(b"caf\xe9.png"))
    except OSError:
        pytest.skip("this file system takes only names in Unicode")
    (release.root / "labels.csv").write_bytes(b"image,mos\ncaf\xe9.png,3\n")
    (release.root / "list.txt").write_bytes(b"caf\xe9.png 3\n")
    for words in ((), ("reader=lines", "labels=[list.txt]", "columns.image='0'", "columns.mos='1'")):
        with pytest.raises(DataError, match=r"caf\\udce9\.png is not UTF-8; rename the file"):
            own(*words)


def test_an_accent_of_two_signs_is_the_accent_of_one() -> None:
    name = unicodedata.normalize("NFD", "café.png")
    assert name != "café.png"
    assert ImageIndex([f"i/{name}"]).find("café.png") == f"i/{name}"


def test_a_build_that_failed_after_a_missing_file_can_be_mended_in_the_same_folder(
    own: Callable[..., Any], release: Any
) -> None:
    release.images("a.png", "b.png")
    release.text("labels.csv", "image,mos", "absent.png,2", "b.png,7")
    with pytest.raises(DataError, match="outside of the nominal scale"):
        own()
    assert not release.out.exists() or not list(release.out.iterdir())
    release.text("labels.csv", "image,mos", "a.png,2", "b.png,3")
    assert own().gaps == ""


def test_what_a_killed_build_left_is_cleared(own: Callable[..., Any], release: Any) -> None:
    release.images("a.png")
    release.text("labels.csv", "image,mos", "a.png,2")
    own()
    for name in (".gaps.txt.0a1b2c3d.part", ".train.0a1b2c3d.part", "images/.a.png.0a1b2c3d4e5f.part"):
        (release.out / name).write_text("half")
    own()
    assert not [path for path in release.out.rglob("*") if path.name.endswith(".part")]


@pytest.mark.parametrize("how", ["place=link", "place=copy", "short_side=32"])
def test_a_picture_that_changed_is_brought_again_though_its_size_is_the_same(
    own: Callable[..., Any], release: Any, how: str
) -> None:
    release.text("labels.csv", "image,mos", "a.bmp,2", "absent.bmp,3")
    release.images("one/a.bmp", size=(64, 64))
    own(how, "images=['one/*']", "allow_missing=true")
    made = next((release.out / "images").iterdir())
    Image.new("RGB", (64, 64), "white").save(release.root / "new.bmp")
    os.utime(release.root / "new.bmp", (1_000_000_000, 1_000_000_000))
    (release.root / "new.bmp").replace(release.root / "one/a.bmp")
    own(how, "images=['one/*']", "allow_missing=true")
    with Image.open(made) as picture:
        assert picture.convert("RGB").getpixel((0, 0)) == (255, 255, 255)


def test_a_link_to_nothing_is_a_missing_file(own: Callable[..., Any], release: Any) -> None:
    release.images("a.png")
    (release.root / "b.png").symlink_to(release.root / "gone.png")
    (release.root / "c.png").mkdir()
    release.text("labels.csv", "image,mos", "a.png,2", "b.png,3", "c.png,3")
    with pytest.raises(DataError, match=r"2 missing \(b\.png, c\.png\);"):
        own()


def test_images_behind_a_link_to_a_folder_are_explained(own: Callable[..., Any], release: Any, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (release.root / "images").symlink_to(tmp_path / "elsewhere")
    release.text("labels.csv", "image,mos", "a.png,2")
    with pytest.raises(MissingFileError, match="folders that are links are not entered"):
        own()


@pytest.mark.parametrize("mos", ["1_0", "nan", "inf", "1e400", "0x3", ""])
def test_an_opinion_that_is_no_plain_number_is_refused(own: Callable[..., Any], release: Any, mos: str) -> None:
    release.images("a.png", "b.png")
    release.text("labels.csv", "image,mos", f"a.png,{mos}", "b.png,3")
    with pytest.raises(DataError, match=r"labels\.csv, line 2: mos is .*; wanted a finite number"):
        own()


def test_opinions_too_far_apart_for_a_scale_are_refused(own: Callable[..., Any], release: Any) -> None:
    release.images("a.png", "b.png")
    release.text("labels.csv", "image,mos", "a.png,-1e308", "b.png,1e308")
    with pytest.raises(DataError, match=r"wanted a range to map to 1\.\.5"):
        own("scale_min=null", "scale_max=null")


def test_a_level_between_two_is_refused_and_not_rounded(own: Callable[..., Any], release: Any) -> None:
    release.images("a.png")
    release.text("labels.csv", "image,mos,level", "a.png,3,2.6")
    with pytest.raises(DataError, match=r"line 2: severity is '2\.6'; wanted 0 to 5"):
        own("columns.level=level")


def test_a_deviation_wider_than_its_scale_is_refused(own: Callable[..., Any], release: Any) -> None:
    release.images("a.png")
    release.text("labels.csv", "image,mos,sd", "a.png,3,12.5")
    with pytest.raises(DataError, match=r"a deviation of 12\.500 where opinions span 4\.00, so it is on another scale"):
        own("columns.std=sd", "std=std")


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_opinion_of_a_matlab_file_that_is_no_number_is_refused(
    release: Any, cells: Callable[..., Any], wrong: float
) -> None:
    release.mat("Data/AllImages_release.mat", AllImages_release=cells(["3.bmp", "5.bmp"]))
    release.mat("Data/AllMOS_release.mat", AllMOS_release=np.array([[50.0, wrong]]))
    release.mat("Data/AllStdDev_release.mat", AllStdDev_release=np.array([[18.0, 18.0]]))
    release.images("Images/3.bmp", "Images/5.bmp")
    with pytest.raises(DataError, match=r"AllMOS_release\.mat, 5\.bmp: mos is .*; wanted a finite number"):
        release.build("livec")


def test_koniqs_sets_with_opinions_on_five_points_are_refused(release: Any) -> None:
    head = "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set"
    rows = ("a.jpg,0,.1,.8,.1,0,10,3.0,0.5,training", "b.jpg,0,0,.1,.6,.3,10,4.2,0.4,test")
    release.text("koniq10k_distributions_sets.csv", head, *rows)
    release.images("1024x768/a.jpg", "1024x768/b.jpg")
    with pytest.raises(DataError, match=r"every MOS is the mean of its counts, so it is on 1-5, not on 1-100"):
        release.build("koniq-10k")


def test_references_are_not_counted_where_the_split_is_by_image(release: Any) -> None:
    release.text("dmos.csv", "dist_img,ref_img,dmos,var", "I01_01_01.png,I01.png,4,.5", "I01_01_02.png,I01.png,3,.5")
    release.images("images/I01.png", "images/I01_01_01.png", "images/I01_01_02.png")
    built = release.build("kadid-10k", "split.by=image", "expected.references=1")
    assert "references where" not in built.gaps


def test_without_files_a_name_that_leads_upwards_is_refused_too(own: Callable[..., Any], release: Any) -> None:
    release.text("labels.csv", "image,mos", "..,3")
    with pytest.raises(DataError, match="leads upwards"):
        own("place=none")


def test_files_are_copied_where_no_link_can_be_made(
    own: Callable[..., Any], release: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other_disk(*_words: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(Path, "hardlink_to", other_disk)
    release.images("a.png")
    release.text("labels.csv", "image,mos", "a.png,3")
    own()
    made = release.out / "images/a.png"
    assert made.read_bytes() == (release.root / "a.png").read_bytes()
    before = made.stat().st_ino
    own()
    assert made.stat().st_ino == before
