"""SPAQ, AGIQA-3K and BID in miniature: workbooks and a csv with plain columns."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from loupe.core.errors import DataError

SPAQ_HEAD = ("Image name", "MOS", "Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness")
AGIQA_HEAD = "name,prompt,adj1,adj2,style,mos_quality,std_quality,mos_align,std_align"


def test_spaq_is_read_from_its_workbook_without_deviations_and_reduced(release: Any) -> None:
    rows = [("00001.jpg", 75.0, 1, 2, 3, 4, 5), ("00002.jpg", 20.5, 1, 2, 3, 4, 5)]
    release.book("Annotations/MOS and Image attribute scores.xlsx", [SPAQ_HEAD, *rows])
    release.images("TestImage/00001.jpg", size=(90, 60))
    release.images("TestImage/00002.jpg", size=(40, 40))
    release.build("spaq", "short_side=48")
    found = release.samples()
    assert (found["00001.png"].rating, found["00001.png"].mos_std) == (4.0, None)
    assert Image.open(release.out / "images/00001.png").size == (72, 48)
    assert Image.open(release.out / "images/00002.png").size == (40, 40)


def test_agiqa_shares_a_group_by_the_prompt_and_is_used_whole(release: Any) -> None:
    lines = ['AttnGAN_1.jpg,"a dog, running",x,,y,4.0,0.3,1.0,.2', 'sd_1.jpg,"a dog, running",,,,0.5,1.2,3.0,.2']
    release.text("data.csv", AGIQA_HEAD, *lines)
    release.images("AttnGAN_1.jpg", "sd_1.jpg")
    release.build("agiqa-3k")
    found = release.samples()
    assert {sample.ref_id for sample in found.values()} == {"a dog, running"}
    assert {sample.split for sample in found.values()} == {"test"}
    assert (found["AttnGAN_1.jpg"].mos, found["AttnGAN_1.jpg"].mos_std) == (4.0, 0.3)
    assert found["AttnGAN_1.jpg"].rating == pytest.approx(4.2)


def test_a_list_of_agiqa_on_another_scale_is_refused(release: Any, excerpt: Callable[[str], Path]) -> None:
    lines = excerpt("agiqa_list_excerpt.txt").read_text().splitlines()
    release.text("list.txt", *lines)
    release.images(*(line.split()[0] for line in lines))
    overrides = ("reader=lines", "labels=['list.txt']", "columns={image: '0', mos: '1', std: '2', group: ''}")
    with pytest.raises(DataError, match=r"lie outside of the nominal scale 0 to 5 \(first AttnGAN_normal_000"):
        release.build("agiqa-3k", *overrides)


def test_bid_numbers_become_file_names(release: Any) -> None:
    release.book(
        "DatabaseGrades.xlsx", [("Image Number", "Average Subjective Grade", "std"), (1, 2.5, 0.7), (20, 4, 0.5)]
    )
    release.images("DatabaseImage0001.JPG", "DatabaseImage0020.JPG")
    release.build("bid")
    found = release.samples()
    assert sorted(found) == ["DatabaseImage0001.JPG", "DatabaseImage0020.JPG"]
    assert found["DatabaseImage0020.JPG"].mos == 4.0
    assert found["DatabaseImage0001.JPG"].rating == pytest.approx(3.0)


def test_a_column_that_is_not_there_is_named_with_those_that_are(release: Any) -> None:
    release.book("DatabaseGrades.xlsx", [("Image", "Grade"), (1, 2.5)])
    with pytest.raises(DataError, match=r"no column for image \(Image Number\); the file has Image, Grade"):
        release.build("bid")


def test_a_cell_that_is_no_number_is_named_with_its_row(release: Any) -> None:
    release.book(
        "DatabaseGrades.xlsx", [("Image Number", "Average Subjective Grade", "std"), (1, 2, 0.7), (2, "x", 0.5)]
    )
    with pytest.raises(DataError, match=r"DatabaseGrades\.xlsx, row 3: mos is 'x'; wanted a finite number"):
        release.build("bid")


def test_a_file_that_is_no_workbook_is_refused(release: Any) -> None:
    release.text("DatabaseGrades.xlsx", "not a zip")
    with pytest.raises(DataError, match="cannot be read as a workbook"):
        release.build("bid")
