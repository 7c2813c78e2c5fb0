"""LIVE in the Wild in miniature: three .mat files that only their order joins, and seven images to leave out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loupe.core.errors import DataError

NAMES = [*(f"t{number}.bmp" for number in range(1, 8)), "3.bmp", "5.bmp", "10.bmp"]


def put(release: Any, cells: Callable[..., Any]) -> None:
    release.mat("Data/AllImages_release.mat", AllImages_release=cells(NAMES))
    release.mat("Data/AllMOS_release.mat", AllMOS_release=np.linspace(10.0, 91.0, 10)[None])
    release.mat("Data/AllStdDev_release.mat", AllStdDev_release=np.full((1, 10), 18.0))
    release.images(*(f"Images/trainingImages/{name}" for name in NAMES[:7]))
    release.images(*(f"Images/{name}" for name in NAMES[7:]))


def test_the_seven_images_of_the_subjects_training_are_left_out(release: Any, cells: Callable[..., Any]) -> None:
    put(release, cells)
    built = release.build("livec")
    assert sorted(release.samples()) == ["10.bmp", "3.bmp", "5.bmp"]
    assert sum(built.manifest["dropped"].values()) == 7
    assert built.manifest["gaps"]["extra"] == 0


def test_each_image_keeps_its_own_opinion(release: Any, cells: Callable[..., Any]) -> None:
    put(release, cells)
    release.build("livec")
    found = release.samples()["3.bmp"]
    assert (found.mos, found.mos_std) == (pytest.approx(73.0), 18.0)
    assert found.rating == pytest.approx(1 + 4 * 0.73)


def test_a_list_that_keeps_the_seven_is_called_by_its_name(release: Any, cells: Callable[..., Any]) -> None:
    put(release, cells)
    with pytest.raises(DataError, match="10 rows where the release has 3: the seven training images of the subjects"):
        release.build(
            "livec",
            "drop={'t[1-7].bmp': ''}",
            "expected.rows=3",
            "expected.known_counts={10: the seven training images of the subjects are in it}",
            allow_missing=False,
        )


def test_a_text_list_of_the_field_loses_them_too(release: Any, excerpt: Callable[[str], Path]) -> None:
    lines = excerpt("livec_list_excerpt.txt").read_text().splitlines()
    release.text("LIVEC_test_all.txt", *lines)
    release.images(*(f"Images/{line.split()[0]}" for line in lines))
    overrides = ("reader=lines", "labels=['*.txt']", "columns={image: '0', mos: '1', std: '2'}")
    built = release.build("livec", *overrides)
    assert len(release.samples()) == 23
    assert sum(built.manifest["dropped"].values()) == 7


def test_arrays_of_different_length_are_refused(release: Any, cells: Callable[..., Any]) -> None:
    put(release, cells)
    release.mat("Data/AllMOS_release.mat", AllMOS_release=np.full((1, 9), 50.0))
    with pytest.raises(DataError, match="differ in length"):
        release.build("livec")


def test_a_file_that_is_no_matlab_file_is_refused(release: Any, cells: Callable[..., Any]) -> None:
    put(release, cells)
    release.text("Data/AllMOS_release.mat", "<html>not found</html>")
    with pytest.raises(DataError, match="cannot be read as a MATLAB file"):
        release.build("livec")
