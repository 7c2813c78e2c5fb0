"""The expected rating is the mean over the ratings that could be written, read at the one place where one is."""

import math
from types import SimpleNamespace

import pytest
import torch

from loupe.core.model.rating_reader import RatingReader, RatingTokens
from loupe.core.model.tokenizer import build_tokenizer


@pytest.fixture(scope="module")
def reader() -> RatingReader:
    found = RatingReader.of(build_tokenizer())
    assert found is not None
    return found


def logits(reader: RatingReader, chances: dict[float, float], *, other: float = -40.0) -> torch.Tensor:
    """(1, V): the ratings' logarithms of chances, and `other` for every word that is no rating."""
    row = torch.full((1, 1200), other)
    row[0, reader.token_ids] = -math.inf
    for value, chance in chances.items():
        row[0, reader.token_ids[round(value * 10) - 10]] = math.log(chance)
    return row


def test_the_ratings_are_one_to_five_in_tenths(reader: RatingReader) -> None:
    assert reader.values.tolist() == pytest.approx([tenths / 10 for tenths in range(10, 51)])
    assert build_tokenizer().decode(reader.token_ids.tolist()[:2]) == "1.01.1"


def test_a_quarter_on_two_and_three_quarters_on_four_is_three_and_a_half(reader: RatingReader) -> None:
    ((row, expected),) = reader.read(torch.tensor([reader.key_id]), logits(reader, {2.0: 0.25, 4.0: 0.75}))
    assert row == 0
    assert expected == pytest.approx(3.5, abs=1e-5)


def test_words_that_are_no_rating_do_not_count(reader: RatingReader) -> None:
    likely = logits(reader, {2.0: 0.25, 4.0: 0.75}, other=20.0)
    ((_, expected),) = reader.read(torch.tensor([reader.key_id]), likely)
    assert expected == pytest.approx(3.5, abs=1e-5)


def test_only_rows_that_open_the_rating_are_read(reader: RatingReader) -> None:
    table = torch.cat([logits(reader, {rating: 1.0}) for rating in (1.0, 3.0, 5.0)])
    read = list(reader.read(torch.tensor([reader.key_id, 0, reader.key_id]), table))
    assert read == [(0, pytest.approx(1.0)), (2, pytest.approx(5.0))]
    assert list(reader.read(torch.tensor([0, 1, 2]), table)) == []


def test_there_is_no_reader_where_a_rating_takes_several_tokens() -> None:
    def letters(text: str, **_: bool) -> SimpleNamespace:
        return SimpleNamespace(input_ids=list(text.encode()))

    assert RatingReader.of(letters) is None


def test_a_tokenizer_of_single_digits_is_read_by_the_first_one() -> None:
    def letters(text: str, **_: bool) -> SimpleNamespace:
        return SimpleNamespace(input_ids=list(text.encode()))

    assert RatingTokens.tenths(letters) is None
    digits = RatingTokens.first_digits(letters)
    assert digits is not None
    assert digits.token_ids.tolist() == [49, 50, 51, 52, 53]
    assert digits.values.tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_chances_are_among_the_ratings_and_mass_is_their_share_of_all() -> None:
    ratings = RatingTokens([1, 2], [1.0, 5.0])
    # Probabilities .1, .2, .6 and .1: the ratings have .8 of them, and among themselves 1/4 and 3/4.
    chances, mass = ratings.chances(torch.log(torch.tensor([[0.1, 0.2, 0.6, 0.1]])))
    assert chances[0].tolist() == pytest.approx([0.25, 0.75])
    assert float(mass[0]) == pytest.approx(0.8)
