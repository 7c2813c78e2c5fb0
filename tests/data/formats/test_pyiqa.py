"""pyiqa's meta files: two forms, two spellings of splits, and KADID-10k's column under another name."""

from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import ConfigError, DataError
from loupe.data.recipes.formats import pyiqa, pyiqa_kadid
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow

FILES = Path(__file__).parent / "files"
KONIQ = """img_name,mos,std,split,c1,c2,c3,c4,c5,c_total
10004473376.jpg,77.3836206897,0.527277894494,training,0.0,0.0,0.238,0.695,0.067,105
10007357496.jpg,68.7285714286,0.580003024795,test,0.0,0.031,0.469,0.49,0.01,96
10043785683.jpg,71.2043269231,0.497974333332,validation,0.0,0.0,0.434,0.566,0.0,106
"""


def read(path: Path, **settings: Any) -> list[LabelRow]:
    return list(pyiqa.read([path], Recipe(**({"name": "x", "std": "std"} | settings))))


def kadid(*, root: bool) -> list[tuple[str, float, float]]:
    """Name, opinion and spread of real images: the release's column, or the root of it as VisualQuality-R1 has it."""
    rows = [line.split() for line in (FILES / "KADID-10K_mos.txt").read_text().splitlines()]
    return [(row[1], float(row[2]), float(row[3]) if root else round(float(row[3]) ** 2, 3)) for row in rows]


def kadid_file(path: Path, *, root: bool) -> Path:
    lines = [f"I01.png,{name},{mos},{spread}" for name, mos, spread in kadid(root=root)]
    path.write_text("\n".join(["ref_name,dist_name,dmos,std", *lines]) + "\n")
    return path


def test_a_file_without_references_is_read_with_its_official_split(tmp_path: Path) -> None:
    (tmp_path / "koniq.csv").write_text(KONIQ)
    rows = read(tmp_path / "koniq.csv", scale_min=1.0, scale_max=100.0, std_scale=[1.0, 5.0])
    assert [row.split for row in rows] == ["training", "test", "validation"]
    assert (rows[0].image, rows[0].mos) == ("10004473376.jpg", 77.3836206897)
    assert rows[0].mos_std == pytest.approx(0.527277894494 * 99 / 4)


def test_koniqs_deviations_beside_opinions_of_another_scale_are_refused(tmp_path: Path) -> None:
    head, *lines = KONIQ.splitlines()
    (tmp_path / "koniq.csv").write_text("\n".join([head, *(lines * 10)]))
    with pytest.raises(DataError, match=r"opinions span 99\.00, so it is on another scale"):
        read(tmp_path / "koniq.csv", scale_min=1.0, scale_max=100.0)


def test_a_file_with_references_has_them_and_may_lack_deviations(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ref_name,dist_name,mos\nI01.BMP,i01_01_1.bmp,5.51\n")
    assert read(tmp_path / "a.csv") == [LabelRow("i01_01_1.bmp", 5.51, reference="I01.BMP")]


@pytest.mark.parametrize("head", ["ratio802_seed123_split_03", "ratio802_seed123_split03"])
@pytest.mark.parametrize("wanted", ["ratio802_seed123_split_03", "ratio802_seed123_split03", "ratio802_seed123_split3"])
def test_both_spellings_of_a_split_name_one_column(tmp_path: Path, head: str, wanted: str) -> None:
    other = head.replace("03", "01")
    (tmp_path / "a.csv").write_text(f"img_name,mos,std,official_split,{other},{head}\na.jpg,3,0.5,train,val,test\n")
    (row,) = read(tmp_path / "a.csv", options={"split": wanted})
    assert row.split == "test"
    (row,) = read(tmp_path / "a.csv")
    assert row.split == "train"


def test_a_split_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("img_name,mos,ratio802_seed123_split_01\na.jpg,3,train\n")
    with pytest.raises(DataError, match=r"no column 'split_11'; its columns of splits are ratio802_seed123_split_01"):
        read(tmp_path / "a.csv", options={"split": "split_11"})
    assert read(tmp_path / "a.csv")[0].split is None


def test_kadids_own_column_is_recognised_by_its_arithmetic_and_its_root_is_not() -> None:
    assert pyiqa_kadid.is_release_column(kadid(root=False))
    assert not pyiqa_kadid.is_release_column(kadid(root=True))
    renamed = [(f"x{place}.png", mos, spread) for place, (_, mos, spread) in enumerate(kadid(root=False))]
    assert not pyiqa_kadid.is_release_column(renamed)
    assert not pyiqa_kadid.is_release_column(kadid(root=False)[:10])


def test_thirty_whole_numbers_of_a_mean_have_a_deviation_whose_squares_add_up() -> None:
    # Nine of thirty say 2, the others 1: mean 1.3, deviation sqrt(.3 * .7) = .458.
    votes = [(f"I01_01_{place:02}.png", 1.3, 0.458) for place in range(20)]
    assert pyiqa_kadid.is_release_column(votes)
    assert not pyiqa_kadid.is_release_column([(name, mos, 0.47) for name, mos, _ in votes])


def test_kadids_column_stops_the_reading_until_the_recipe_says_what_it_is(tmp_path: Path) -> None:
    path = kadid_file(tmp_path / "meta_info_KADID10kDataset.csv", root=False)
    with pytest.raises(DataError, match=r"are KADID-10k's column `var`.*options\.kadid_var=variance"):
        read(path)
    first = {how: read(path, options={"kadid_var": how})[0].mos_std for how in ("variance", "std", "none")}
    assert first == {"variance": pytest.approx(0.7043, abs=1e-4), "std": 0.496, "none": None}
    with pytest.raises(ConfigError, match=r"options\.kadid_var='both'; wanted one of variance, std, none"):
        read(path, options={"kadid_var": "both"})
    assert {row.mos_std for row in read(path, std="none")} == {None}


def test_deviations_of_kadid_that_are_not_its_column_are_taken_as_they_are(tmp_path: Path) -> None:
    rows = read(kadid_file(tmp_path / "kadid.csv", root=True))
    assert rows[0] == LabelRow("I01_01_01.png", 4.57, 0.7042726744663603, reference="I01.png")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("img_name,mos\n", r"has no rows"),
        ("", r"cannot be read as csv"),
        ("image,score\na.jpg,3\n", r"no column for image \(img_name or dist_name\); the file has image, score"),
        ("img_name,mos,std\na.jpg,high,0.1\n", r"line 2: mos is 'high'"),
        ("img_name,mos,std\na.jpg,3,0.1\n,3,0.1\n", r"line 3: image is ''; wanted a name"),
    ],
)
def test_a_file_that_does_not_fit_says_why(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "a.csv").write_text(text)
    with pytest.raises(DataError, match=complaint):
        read(tmp_path / "a.csv")


def test_columns_of_the_recipe_go_before_the_usual_ones(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("img_name,mos,MOS_zscore\na.jpg,3,61.5\n")
    assert read(tmp_path / "a.csv", columns={"mos": "MOS_zscore"})[0].mos == 61.5
