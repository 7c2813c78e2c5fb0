"""LIVE release 2 in miniature: folders in the order of the arrays, copies of originals, and lower is better."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loupe.core.errors import DataError

FOLDERS = "options={folders: {jp2k: 2, jpeg: 2, wn: 1, gblur: 1, fastfading: 1}}"
ORIGINALS = ["ocean.bmp", "bikes.bmp", "ocean.bmp", "bikes.bmp", "ocean.bmp", "bikes.bmp", "ocean.bmp"]
DMOS = [30.0, 0.0, 55.0, -2.5, 70.0, 105.0, 41.0]
COPIES = [0, 1, 0, 0, 0, 0, 0]


def put(release: Any, cells: Callable[..., Any], *, length: int = 7) -> None:
    release.mat("refnames_all.mat", refnames_all=cells(ORIGINALS).T)
    release.mat(
        "dmos_realigned.mat",
        dmos_new=np.array([DMOS[:length]]),
        dmos_std=np.full((1, 7), 6.0),
        orgs=np.array([COPIES], dtype=np.uint8),
    )
    release.images("refimgs/ocean.bmp", "refimgs/bikes.bmp", "jp2k/img1.bmp", "jp2k/img2.bmp", "jpeg/img1.bmp")
    release.images("jpeg/img2.bmp", "wn/img1.bmp", "gblur/img1.bmp", "fastfading/img1.bmp")


def test_copies_of_originals_are_left_out_and_counted(release: Any, cells: Callable[..., Any]) -> None:
    put(release, cells)
    built = release.build("live", FOLDERS)
    assert len(release.samples()) == 6
    assert "jp2k/img2.bmp" not in release.samples()
    assert list(built.manifest["dropped"].values()) == [1]
    assert built.manifest["gaps"]["extra"] == 0


def test_lower_is_better_and_the_observed_range_is_the_scale(release: Any, cells: Callable[..., Any]) -> None:
    put(release, cells)
    release.build("live", FOLDERS)
    found = release.samples()
    assert found["jpeg/img2.bmp"].rating == 5.0
    assert found["gblur/img1.bmp"].rating == 1.0
    assert found["jp2k/img1.bmp"].mos_std == 6.0
    assert not found["jp2k/img1.bmp"].higher_is_better
    assert (found["jp2k/img1.bmp"].scale_min, found["jp2k/img1.bmp"].scale_max) == (-2.5, 105.0)


def test_images_of_one_name_in_two_folders_stay_apart(release: Any, cells: Callable[..., Any]) -> None:
    put(release, cells)
    release.build("live", FOLDERS)
    found = release.samples()
    assert found["jp2k/img1.bmp"].id != found["jpeg/img1.bmp"].id
    assert found["jpeg/img1.bmp"].mos == 55.0
    assert (found["wn/img1.bmp"].distortion, found["wn/img1.bmp"].degradation) == ("wn", None)
    assert found["wn/img1.bmp"].ref_id == "ocean"


def test_the_file_without_deviations_is_read_where_the_other_one_is_not_there(
    release: Any, cells: Callable[..., Any]
) -> None:
    put(release, cells)
    (release.root / "dmos_realigned.mat").unlink()
    release.mat("dmos.mat", dmos=np.array([DMOS]), orgs=np.array([COPIES]))
    assert release.build("live", FOLDERS).manifest["flavour"] == "dmos"
    assert release.samples()["jp2k/img1.bmp"].mos_std is None


def test_arrays_that_do_not_fit_the_folders_are_refused(release: Any, cells: Callable[..., Any]) -> None:
    put(release, cells)
    with pytest.raises(DataError, match="folders 982"):
        release.build("live")
