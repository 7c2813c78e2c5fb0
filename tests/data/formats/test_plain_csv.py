"""A csv with image and opinion, and whatever else it has; a million rows in bounded memory."""

import resource
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import ConfigError, DataError
from loupe.data.recipes.formats import plain_csv
from loupe.data.recipes.formats.table import CHUNK as PIECE
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import LabelRow


def read(path: Path, text: str, **settings: Any) -> list[LabelRow]:
    path.write_text(text)
    return list(plain_csv.read([path], Recipe(**({"name": "x", "std": "std"} | settings))))


def test_image_and_opinion_are_all_that_is_needed(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", "image,mos\na.jpg,3.5\nb.jpg,\n")[0] == LabelRow("a.jpg", 3.5)
    unrated = read(tmp_path / "a.csv", "image,mos\na.jpg,3.5\nb.jpg,\n")[1]
    assert unrated.mos != unrated.mos


def test_everything_else_is_taken_where_it_is_there(tmp_path: Path) -> None:
    text = (
        "\ufeffImage,MOS,std,ref,split,distortion,severity,ignored\n"
        '"a, b.jpg",3.5,0.5,r.png,train,blur,obvious,x\n'
        "c.jpg,4.5,,,val,,0,\n"
    )
    first, second = read(tmp_path / "a.csv", text)
    assert first == LabelRow("a, b.jpg", 3.5, 0.5, reference="r.png", split="train", distortion="blur", level=3)
    assert second == LabelRow("c.jpg", 4.5, split="val", level=0)


def test_an_image_called_null_or_nan_keeps_its_name(tmp_path: Path) -> None:
    assert [row.image for row in read(tmp_path / "a.csv", "image,mos\nNA,1\nnull,2\n007,3\n")] == ["NA", "null", "007"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("image,opinion\na,1\n", r"no column for mos \(mos or score\); the file has image, opinion"),
        ("image,mos\na,1\nb,x\n", r"line 3: mos is 'x'"),
        ("image,mos,level\na,1,3\n", r"wanted both, or none for a clean image"),
        ("image,mos\na,1,2,3\n", r"line 2: more cells than the first line has names"),
        ("image,mos\na,1\nb,2,3\n", r"cannot be read as csv"),
        ("image,mos,MOS,Mos\na,1,2,3\n", None),
        ("image,MOS,Mos\na,1,2\n", r"differ in case alone"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, text: str, complaint: str | None) -> None:
    if complaint is None:
        assert read(tmp_path / "a.csv", text)[0].mos == 1.0
        return
    with pytest.raises(DataError, match=complaint):
        read(tmp_path / "a.csv", text)


def test_a_meaning_that_the_format_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"columns names colour; this format knows image, mos"):
        read(tmp_path / "a.csv", "image,mos\na,1\n", columns={"colour": "c"})


def test_lines_are_counted_over_the_pieces_in_which_a_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("image,mos\n" + "".join(f"{number}.jpg,3\n" for number in range(PIECE + 5)) + "z.jpg,bad\n")
    with pytest.raises(DataError, match=rf"line {PIECE + 7}: mos is 'bad'"):
        list(plain_csv.read([path], Recipe()))


def test_a_long_file_is_not_held_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    with path.open("w") as stream:
        stream.write("image,mos\n")
        stream.writelines(f"{'long/' * 20}{number}.jpg,3.25\n" for number in range(100_000))
    rows = plain_csv.read([path], Recipe())
    assert len(list(islice(rows, PIECE))) == PIECE
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert sum(1 for _ in rows) == 100_000 - PIECE
    # The file has 11 MB, as rows of Python 60 MB and more: pieces of it leave no more than a few.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000
