"""CSIQ in miniature: names that the workbook spells differently, and a list that lacks every blurred image."""

from typing import Any

import pytest

from loupe.core.errors import DataError

HEAD = ("", "", "", "image", "dst_idx", "dst_type", "dst_lev", "dmos_std", "dmos")
FILES = {
    ("noise", 1): "awgn/{}.AWGN.1.png",
    ("blur", 2): "blur/{}.BLUR.2.png",
    ("contrast", 3): "contrast/{}.contrast.3.png",
    ("fnoise", 4): "fnoise/{}.fnoise.4.png",
    ("jpeg", 5): "jpeg/{}.JPEG.5.png",
    ("jpeg 2000", 1): "jpeg2000/{}.jpeg2000.1.png",
}


def put(release: Any, *, originals: tuple[Any, ...] = (1600, "aerial_city", "child_swimming")) -> None:
    rows: list[tuple[Any, ...]] = [(), ("CSIQ",), (), HEAD]
    for original in originals:
        release.images(f"src_imgs/{original}.png")
        for number, ((word, level), path) in enumerate(FILES.items(), start=1):
            release.images(f"dst_imgs/{path.format(original)}")
            rows.append(("", "", "", original, number, word, level, 0.05, 0.1 * number))
    release.book("csiq.DMOS.xlsx", rows, sheet="all_by_image")


def test_the_words_of_the_workbook_find_their_files(release: Any) -> None:
    put(release)
    built = release.build("csiq")
    assert len(release.samples()) == 18
    assert built.manifest["gaps"]["missing"] == built.manifest["gaps"]["extra"] == 0
    assert release.samples()["1600.jpeg2000.1.png"].reference == "references/1600.png"


def test_lower_is_better(release: Any) -> None:
    put(release)
    release.build("csiq")
    found = release.samples()["1600.AWGN.1.png"]
    assert (found.mos, found.higher_is_better) == (0.1, False)
    assert found.rating == pytest.approx(4.6)


def test_only_damages_that_loupe_has_get_a_class(release: Any) -> None:
    put(release)
    release.build("csiq")
    found = release.samples()
    classes = {
        name.split(".")[1]: None if sample.degradation is None else sample.degradation.distortion_class
        for name, sample in found.items()
    }
    same = {"AWGN": "noise", "fnoise": "noise", "BLUR": "blur", "JPEG": "compression", "jpeg2000": "compression"}
    assert classes == {**same, "contrast": None}
    assert found["1600.contrast.3.png"].distortion == "contrast"


def test_a_list_without_blur_is_called_by_its_name(release: Any) -> None:
    put(release)
    (release.root / "csiq.DMOS.xlsx").unlink()
    lines = [f"{path.format(1600).partition('/')[2]} 0.2" for (word, _), path in FILES.items() if word != "blur"]
    release.text("csiq_label.txt", *lines)
    counts = (
        "expected.rows=6",
        "expected.references=1",
        "expected.known_counts={5: the list without its blurred images}",
    )
    with pytest.raises(
        DataError, match=r"5 rows where the release has 6: the list without its blurred images.*distortion BLUR"
    ):
        release.build("csiq", *counts, allow_missing=False)
