"""TID2013 in miniature: names in mixed case, deviations in a file of their own, and no soft levels."""

from typing import Any

import pytest

from loupe.core.errors import DataError


def put(release: Any) -> None:
    release.images("distorted_images/I01_01_1.bmp", "distorted_images/i01_08_5.BMP", "distorted_images/i25_16_3.bmp")
    release.images("reference_images/I01.BMP", "reference_images/i25.bmp")
    release.text("mos_with_names.txt", "5.51429 I01_01_1.bmp", "2.25 i01_08_5.bmp", "9.0 I25_16_3.bmp")
    release.text("mos_std.txt", "0.13013", "0.2", "0.1")


def test_names_are_found_whatever_their_case(release: Any) -> None:
    put(release)
    built = release.build("tid2013")
    assert built.manifest["gaps"]["missing"] == built.manifest["gaps"]["missing references"] == 0
    found = release.samples()
    assert sorted(found) == ["I01_01_1.bmp", "i01_08_5.BMP", "i25_16_3.bmp"]
    assert found["i25_16_3.bmp"].reference == "references/i25.bmp"
    assert found["i01_08_5.BMP"].ref_id == found["I01_01_1.bmp"].ref_id == "I01"


def test_deviations_are_read_and_no_soft_levels_are_made_of_them(release: Any) -> None:
    put(release)
    release.build("tid2013")
    found = release.samples()
    assert found["I01_01_1.bmp"].mos_std == 0.13013
    assert found["I01_01_1.bmp"].rating == pytest.approx(1 + 4 * 5.51429 / 9)
    assert all(sample.level_probs is None for sample in found.values())


def test_damages_have_a_class_only_where_they_are_that(release: Any) -> None:
    put(release)
    release.build("tid2013")
    found = release.samples()
    blur = found["i01_08_5.BMP"].degradation
    assert blur is not None
    assert (blur.distortion_class, blur.severity) == ("blur", 5)
    assert (found["i25_16_3.bmp"].degradation, found["i25_16_3.bmp"].distortion) == (None, "16")


def test_a_deviation_file_of_another_length_is_refused(release: Any) -> None:
    put(release)
    release.text("mos_std.txt", "0.13013", "0.2")
    with pytest.raises(DataError, match="one deviation an image"):
        release.build("tid2013")


def test_two_files_that_differ_in_case_alone_are_no_guess(release: Any) -> None:
    put(release)
    release.images("distorted_images/I01_08_5.bmp")
    release.text("mos_with_names.txt", "5.5 I01_01_1.bmp", "2.25 i01_08_5.bmp", "9.0 I25_16_3.bmp")
    with pytest.raises(DataError, match=r"i01_08_5\.bmp may be any of 2 files"):
        release.build("tid2013")
