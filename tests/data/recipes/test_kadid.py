"""KADID-10k in miniature: `dmos` that is better when higher, a variance, and names that say the damage."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import DataError
from loupe.core.records import WHOLE


def put(release: Any, *, references: int = 5) -> None:
    rows = ["dist_img,ref_img,dmos,var"]
    for reference in range(1, references + 1):
        release.images(f"images/I{reference:02d}.png")
        for code, level in (("01", 1), ("04", 5), ("10", 3)):
            name = f"I{reference:02d}_{code}_{level:02d}.png"
            release.images(f"images/{name}")
            rows.append(
                f"{name},I{reference:02d}.png,{5 - 0.8 * level + 0.5:.2f},.496"
                if level > 1
                else f"{name},I{reference:02d}.png,4.57,.496"
            )
    release.text("dmos.csv", *rows)


def test_the_column_var_is_read_as_a_variance(release: Any) -> None:
    put(release)
    release.build("kadid-10k")
    assert release.samples()["I01_01_01.png"].mos_std == pytest.approx(math.sqrt(0.496))
    assert release.samples()["I01_01_01.png"].mos_std == pytest.approx(0.7043, abs=1e-4)


def test_it_can_be_taken_for_a_deviation(release: Any) -> None:
    put(release)
    release.build("kadid-10k", "flavours.dmos.std=std")
    assert release.samples()["I01_01_01.png"].mos_std == 0.496


def test_higher_is_better_whatever_the_column_is_called(release: Any) -> None:
    put(release)
    release.build("kadid-10k")
    found = release.samples()
    assert found["I01_01_01.png"].rating == pytest.approx(4.57)
    assert found["I01_04_05.png"].rating < found["I01_10_03.png"].rating < found["I01_01_01.png"].rating


def test_names_give_class_and_level_where_loupe_has_the_class(release: Any) -> None:
    put(release)
    release.build("kadid-10k")
    blur, colour = release.samples()["I02_01_01.png"], release.samples()["I02_04_05.png"]
    assert blur.degradation is not None
    assert (blur.degradation.distortion_class, blur.degradation.severity) == ("blur", 1)
    assert blur.degradation.bbox_2d == WHOLE
    assert (colour.degradation, colour.distortion) == (None, "04")


def test_originals_lie_among_the_images_and_are_not_extra(release: Any) -> None:
    put(release)
    built = release.build("kadid-10k")
    assert built.manifest["gaps"]["extra"] == 0
    assert release.samples()["I03_10_03.png"].reference == "references/I03.png"
    assert (release.out / "references" / "I03.png").is_file()
    assert release.samples()["I03_10_03.png"].ref_id == "I03"


def test_no_original_is_in_two_splits(release: Any) -> None:
    put(release, references=10)
    built = release.build("kadid-10k")
    splits = {sample.ref_id: set[str]() for sample in release.samples().values()}
    for sample in release.samples().values():
        splits[sample.ref_id].add(sample.split)
    assert all(len(held) == 1 for held in splits.values())
    assert {name: row["images"] for name, row in built.manifest["splits"].items()} == {"train": 18, "val": 6, "test": 6}


def test_the_list_with_true_deviations_is_told_apart_by_its_file(release: Any, excerpt: Callable[[str], Path]) -> None:
    lines = excerpt("kadid_list_excerpt.txt").read_text().splitlines()
    release.text("KADID-10K_mos.txt", *lines)
    release.images("images/I01.png", *(f"images/{line.split()[1]}" for line in lines))
    built = release.build("kadid-10k")
    assert built.manifest["flavour"] == "list"
    assert len(release.samples()) == 50
    assert release.samples()["I01_01_01.png"].mos_std == pytest.approx(0.7042726744663603)


def test_variances_in_a_column_called_std_are_found_out_by_their_range(release: Any) -> None:
    put(release)
    path = Path(release.root) / "dmos.csv"
    # 1.593 is the largest value of the column var, 1.262 its root: the largest deviation of the release.
    path.write_text(path.read_text().replace(".496", "1.593", 1))
    with pytest.raises(DataError, match=r"deviations reach 1\.593, the square of the 1\.262.*set std=variance"):
        release.build("kadid-10k", "flavours.dmos.std=std", allow_missing=False)


def test_a_name_that_is_none_of_the_release_is_refused(release: Any) -> None:
    put(release)
    release.text("dmos.csv", "dist_img,ref_img,dmos,var", "holiday.png,I01.png,3.0,.5")
    with pytest.raises(DataError, match=r"holiday\.png: its name does not fit"):
        release.build("kadid-10k")


def test_a_code_that_the_recipe_does_not_list_is_refused(release: Any) -> None:
    release.text("dmos.csv", "dist_img,ref_img,dmos,var", "I01_26_01.png,I01.png,3.0,.5")
    with pytest.raises(DataError, match="'26' is none of kadid-10k's"):
        release.build("kadid-10k")
