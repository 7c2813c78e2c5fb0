"""DiffIQA: the majority of three raters, and triplets that must not contradict themselves."""

import json
from pathlib import Path

import pytest

from loupe.core.errors import DataError
from loupe.data.recipes.formats import diffiqa
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.row import PairRow


def labels(root: Path, **votes: tuple[str, ...]) -> list[Path]:
    """Label files of pictures `x_01` and so on, of raters A, B and C, in the layout of the release."""
    files: list[Path] = []
    for picture, words in votes.items():
        for rater, word in zip("ABCD", words, strict=False):
            path = root / "Train" / "trainlabel" / "label" / rater / picture[-2:] / f"{picture}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps({"Picture_AI": {"Label": word}}))
            files.append(path)
    return files


@pytest.mark.parametrize(
    ("words", "choice"),
    [
        (("Positive", "Positive", "Negative"), "Image A"),
        (("Negative", "Similar", "Negative"), "Image B"),
        (("Similar", "Similar", "Similar"), "Similar"),
    ],
)
def test_the_majority_says_how_a_picture_is_against_its_original(
    tmp_path: Path, words: tuple[str, ...], choice: str
) -> None:
    (pair,) = diffiqa.read_labels(labels(tmp_path, x_01=words), Recipe())
    assert pair == PairRow("x_01.png", "x.png", choice, "x.png", "train")


def test_three_raters_of_three_minds_leave_no_label_and_are_counted(tmp_path: Path) -> None:
    files, recipe = labels(tmp_path, x_01=("Positive", "Similar", "Negative"), x_02=("Similar",) * 3), Recipe()
    for _ in range(2):
        assert [pair.image_a for pair in diffiqa.read_labels(files, recipe)] == ["x_02.png"]
    assert recipe.notes == ["1 pictures are left out: each of their 3 raters said something else."]


def test_a_missing_rater_and_a_strange_label_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"x_01 has 2 raters; wanted 3"):
        list(diffiqa.read_labels(labels(tmp_path / "a", x_01=("Similar", "Similar")), Recipe()))
    with pytest.raises(DataError, match=r"the label is 'Better'; wanted Positive, Similar or Negative"):
        list(diffiqa.read_labels(labels(tmp_path / "b", x_01=("Better",) * 3), Recipe()))


def triplets(path: Path, text: str) -> list[PairRow]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return list(diffiqa.read_triplets([path], Recipe()))


def test_triplets_are_read_with_their_reference_which_may_be_one_of_the_pair(tmp_path: Path) -> None:
    text = "x_01.png,x_03.png,x.png,0,0,1\nx_02.png,x_04.png,x.png,0.5,0.5,0.5\nx_03.png,x.png,x.png,1,1,0.5\n"
    assert triplets(tmp_path / "Validation" / "Triplet.txt", text) == [
        PairRow("x_01.png", "x_03.png", "Image B", "x.png", "val"),
        PairRow("x_02.png", "x_04.png", "Similar", "x.png", "val"),
        PairRow("x_03.png", "x.png", "Image A", "x.png", "val"),
    ]


def test_two_worse_than_the_reference_may_still_differ() -> None:
    # As in the triplets of KADID-10k in the same form: both are worse than the original, and one is worse still.
    assert diffiqa._triplet("a,b,r,1,0,0", split=None, where="x").choice == "Image A"  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("a,b,r,1,0,1", r"x1 against x2 is not what both against y say; check the order"),
        ("a,b,r,0.5,1,0", r"check the order"),
        ("a,b,r,2,1,0", r"a score of '2'; wanted 1, 0\.5 or 0"),
        ("a,b,r", r"wanted x1,x2,y,s12 or x1,x2,y,s12,s1y,s2y"),
        ("a,b,,1", r"wanted x1,x2,y,s12"),
        ("a,b,r,1,0", r"wanted x1,x2,y,s12"),
    ],
)
def test_a_line_that_cannot_be_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    with pytest.raises(DataError, match=rf"line 2: .*{complaint}"):
        triplets(tmp_path / "Triplet.txt", f"a,b,r,1\n{line}\n")
