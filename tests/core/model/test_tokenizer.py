"""The pocket tokenizer is the same every time, writes any text, and says a rating in one token."""

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.answer import answer_of, parse, render
from loupe.core.model.tokenizer import VOCABULARY, build_tokenizer
from loupe.core.records import DISTORTION_CLASSES, SEVERITIES

TOKENIZER = build_tokenizer()
TENTHS = st.integers(10, 50).map(lambda tenths: tenths / 10)
EDGES = st.sampled_from([(0.0, 0.5), (0.5, 1.0), (0.25, 0.75), (0.0, 1.0), (0.13, 0.8125)])


def ids_of(text: str) -> list[int]:
    return TOKENIZER(text, add_special_tokens=False).input_ids


def test_building_it_twice_gives_the_same_tokenizer() -> None:
    again = build_tokenizer()
    assert again.backend_tokenizer.to_str() == TOKENIZER.backend_tokenizer.to_str()
    assert again.get_vocab() == TOKENIZER.get_vocab()


@pytest.mark.parametrize("tenths", range(10, 51))
def test_a_rating_is_one_token_that_reads_back_as_itself(tenths: int) -> None:
    ids = ids_of(f"{tenths / 10:.1f}")
    assert len(ids) == 1
    assert float(TOKENIZER.decode(ids)) == tenths / 10


def test_no_two_ratings_share_a_token() -> None:
    assert len({ids_of(f"{tenths / 10:.1f}")[0] for tenths in range(10, 51)}) == 41


@given(
    rating=TENTHS,
    distortion=st.sampled_from([None, *DISTORTION_CLASSES]),
    severity=st.sampled_from([None, *SEVERITIES]),
    across=EDGES,
    down=EDGES,
    tool=st.sampled_from([None, "crop"]),
)
def test_an_answer_survives_the_way_through_tokens(
    rating: float,
    distortion: str | None,
    severity: str | None,
    across: tuple[float, float],
    down: tuple[float, float],
    tool: str | None,
) -> None:
    fields: dict[str, Any] = {"distortion_class": distortion, "severity": severity, "rating": rating, "tool": tool}
    answer = answer_of("Blurred on the left.", bbox_2d=[across[0], down[0], across[1], down[1]], **fields)
    assert parse(TOKENIZER.decode(ids_of(render(answer)))) == answer


@given(text=st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_any_normalised_text_survives_the_way_through_tokens(text: str) -> None:
    normal = unicodedata.normalize("NFC", text)
    assert TOKENIZER.decode(ids_of(normal), clean_up_tokenization_spaces=False) == normal


def test_a_whole_answer_takes_few_tokens() -> None:
    box = [0.0, 0.5, 0.5, 1.0]
    answer = answer_of(distortion_class="noise", severity="slight", bbox_2d=box, rating=4.2, tool="crop")
    assert len(ids_of(render(answer))) <= 30


def test_tags_are_read_where_special_tokens_are_skipped() -> None:
    ids = ids_of("<think>x</think><answer>{}</answer><|im_end|>")
    assert TOKENIZER.decode(ids, skip_special_tokens=True) == "<think>x</think><answer>{}</answer>"


def test_padding_comes_first() -> None:
    assert TOKENIZER.padding_side == "left"
    batch = TOKENIZER(["a", "a longer line"], padding=True)
    assert batch.input_ids[0][0] == TOKENIZER.pad_token_id
    assert batch.input_ids[0][-1] == ids_of("a")[0]


def test_word_pieces_stay_within_the_vocabulary_size() -> None:
    assert TOKENIZER.vocab_size <= VOCABULARY + 8
    assert max(TOKENIZER.get_vocab().values()) == len(TOKENIZER) - 1
