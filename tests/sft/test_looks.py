"""What is said about a view is true of the pixels that are shown, mirrored or not."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.answer import Answer, parse
from loupe.core.protocol import load_protocol
from loupe.core.records import Box, Degradation, Sample, severity_word
from loupe.data.degrade import REGIONS
from loupe.data.evidence import Evidence
from loupe.data.rationale import REMARKS
from loupe.sft.looks import (
    CROP_QUESTION,
    RATING_QUESTION,
    RATING_SHARE,
    REPEAT_QUESTION,
    REPEAT_SHARE,
    SENTENCE_QUESTION,
    SENTENCE_SHARE,
    _flip,
    _flip_box,
    draw_looks,
    looks_in_order,
)
from loupe.sft.views import Views, load_views

PROTOCOL = load_protocol("zoom-brief")
BOTH = st.tuples(st.booleans(), st.booleans())
CORNERS = st.lists(st.integers(0, 64), min_size=2, max_size=2, unique=True).map(sorted)


def marked() -> Views:
    """Black images, one for each region, in which the damaged region is white: what is said can be seen."""
    images = np.zeros((9, 224, 224, 3), np.uint8)
    samples, evidence = [], []
    for number, box in enumerate(REGIONS):
        left, top, right, bottom = (round(side * 224) for side in box)
        images[number, top:bottom, left:right] = 255
        truth = Degradation("blur", 1 + number % 5, box)
        rating = 1 + number / 4
        samples.append(Sample(str(number), "-", "made", "train", rating=rating, mos=rating, degradation=truth))
        evidence.append(Evidence(str(number), rating, rating, tuple(1 + place / 10 for place in range(9))))
    return Views(samples, evidence, images, images[:, ::2, ::2])


def white_box(pixels: np.ndarray) -> Box:
    rows, columns = np.nonzero(pixels[..., 0])
    side = pixels.shape[0]
    return (columns.min() / side, rows.min() / side, (columns.max() + 1) / side, (rows.max() + 1) / side)


def answered(text: str) -> Answer:
    answer = parse(text)
    assert answer.usable
    return answer


def test_the_box_that_is_said_is_the_box_that_is_seen_however_mirrored() -> None:
    batch = draw_looks(marked(), PROTOCOL, 200, rng=np.random.default_rng(0))
    boxes = set()
    for pixels, (_, text) in list(zip(batch.pixels, batch.texts, strict=True))[::2]:
        if "<answer>" not in text:
            continue
        said = answered(text).bbox_2d
        assert said == white_box(pixels)
        boxes.add(said)
    assert boxes == set(REGIONS)


def test_every_other_view_is_a_crop_with_the_words_for_one() -> None:
    batch = draw_looks(marked(), PROTOCOL, 60, rng=np.random.default_rng(1))
    overviews, crops = (
        [pair for pair in texts if "<answer>" in pair[1]] for texts in (batch.texts[::2], batch.texts[1::2])
    )
    assert {question for question, _ in overviews} == {PROTOCOL.question, PROTOCOL.no_zoom_question}
    assert {question for question, _ in crops} == {CROP_QUESTION}
    assert all("bbox_2d" in answered(text).said for _, text in overviews)
    assert all(answered(text).said == ("distortion_class", "severity", "rating") for _, text in crops)
    assert not any("<think>" in text for _, text in overviews + crops)


def test_some_looks_are_answered_by_a_true_sentence_about_what_is_seen() -> None:
    batch = draw_looks(marked(), PROTOCOL, 400, rng=np.random.default_rng(4))
    pairs = zip(batch.pixels, batch.texts, strict=True)
    sentences = [(pixels, text) for pixels, (question, text) in pairs if question == SENTENCE_QUESTION]
    assert 400 * SENTENCE_SHARE - 26 < len(sentences) < 400 * SENTENCE_SHARE + 26
    for pixels, text in sentences:
        share = (pixels[..., 0] > 0).mean()
        assert ("blur" in text) == (share >= 0.2), text
        assert not any(tag in text for tag in ("<think>", "<answer>"))


def test_a_few_looks_repeat_what_they_are_told() -> None:
    batch = draw_looks(marked(), PROTOCOL, 2000, rng=np.random.default_rng(5))
    told = [(question, text) for question, text in batch.texts if question.startswith("Say: ")]
    assert 2000 * REPEAT_SHARE - 36 < len(told) < 2000 * REPEAT_SHARE + 36
    assert all(question == REPEAT_QUESTION.format(text) for question, text in told)
    assert {remark for remark in REMARKS if any(remark in text for _, text in told)} == set(REMARKS)


def test_some_looks_say_the_rating_of_what_is_seen_and_nothing_else() -> None:
    views = marked()
    batch = draw_looks(views, PROTOCOL, 1000, rng=np.random.default_rng(6))
    told = [(place, text) for place, (question, text) in enumerate(batch.texts) if question == RATING_QUESTION]
    assert 1000 * RATING_SHARE - 50 < len(told) < 1000 * RATING_SHARE + 50
    assert {text for place, text in told if place % 2 == 0} == {f"{round(item.rating, 1)}" for item in views.samples}
    assert {text for place, text in told if place % 2} == {f"{1 + place / 10}" for place in range(9)}


def test_a_crop_says_damage_exactly_where_it_shows_some() -> None:
    batch = draw_looks(marked(), PROTOCOL, 400, rng=np.random.default_rng(2))
    seen = set()
    for pixels, (_, text) in list(zip(batch.pixels, batch.texts, strict=True))[1::2]:
        if "<answer>" not in text:
            continue
        answer, share = answered(text), (pixels[..., 0] > 0).mean()
        assert (answer.distortion_class == "blur") == (share >= 0.2)
        assert (answer.severity is not None) == (share >= 0.2)
        seen.add(share >= 0.2)
    assert seen == {True, False}


def test_class_severity_and_rating_are_those_of_the_labels() -> None:
    views = marked()
    for (batch,) in [looks_in_order(views, PROTOCOL, "overview")]:
        for sample, (_, text) in zip(views.samples, batch.texts, strict=True):
            answer, truth = answered(text), sample.degradation
            assert truth is not None
            assert answer.distortion_class == truth.distortion_class
            assert answer.severity == severity_word(truth.severity)
            assert answer.rating == pytest.approx(round(sample.rating, 1))
    for (batch,) in [looks_in_order(views, PROTOCOL, "crop")]:
        for region, (_, text) in enumerate(batch.texts):
            assert answered(text).rating == pytest.approx(1 + region / 10)


def test_looks_in_order_show_every_image_once_and_unmirrored() -> None:
    views = marked()
    batches = list(looks_in_order(views, PROTOCOL, "overview", size=4))
    assert [len(batch.texts) for batch in batches] == [4, 4, 1]
    assert np.array_equal(np.concatenate([batch.pixels for batch in batches]), views.overviews)
    assert {question for batch in batches for question, _ in batch.texts} == {PROTOCOL.no_zoom_question}


def test_a_pair_shows_the_image_and_then_the_crop_that_the_guess_names() -> None:
    batch = draw_looks(marked(), PROTOCOL, 300, rng=np.random.default_rng(7), paired=True)
    assert [len(talk) for talk in batch.conversations] == [2] * 150
    assert batch.guesses == frozenset(range(0, 300, 2))
    for overview, crop in batch.conversations:
        question, text = batch.texts[overview]
        assert question == PROTOCOL.question
        box = answered(text).bbox_2d
        assert box is not None
        whole = np.repeat(np.repeat(batch.pixels[overview], 2, axis=0), 2, axis=1)
        left, top, right, bottom = (round(side * 224) for side in box)
        assert np.array_equal(whole[top:bottom, left:right], batch.pixels[crop])


def test_the_second_answer_of_a_pair_is_about_the_whole_image_whatever_the_crop_shows() -> None:
    batch = draw_looks(marked(), PROTOCOL, 300, rng=np.random.default_rng(8), paired=True)
    shown = set()
    for overview, crop in batch.conversations:
        question, text = batch.texts[crop]
        if "<answer>" not in text:
            continue
        assert question == PROTOCOL.final_question
        answer = answered(text)
        assert answer.bbox_2d == white_box(batch.pixels[overview])
        # The rating tells which image it is, see `marked`, and that its severity.
        assert answer.rating is not None
        assert answer.severity == severity_word(1 + round((answer.rating - 1) * 4) % 5)
        shown.add(bool(batch.pixels[crop].any()))
    assert shown == {True, False}


def test_a_guess_says_nothing_about_the_image() -> None:
    batch = draw_looks(marked(), PROTOCOL, 2000, rng=np.random.default_rng(9), paired=True)
    guesses = [answered(batch.texts[view][1]) for view in sorted(batch.guesses)]
    # Every image is blurred; one guess in seven says so, one says that nothing is wrong.
    for name in ("blur", None):
        assert 1000 / 7 - 45 < sum(guess.distortion_class == name for guess in guesses) < 1000 / 7 + 45
    ratings = [guess.rating for guess in guesses if guess.rating is not None]
    assert len(ratings) == 1000
    assert np.mean(ratings) == pytest.approx(3, abs=0.15)


def test_pairs_in_order_show_the_true_region() -> None:
    views = marked()
    batches = list(looks_in_order(views, PROTOCOL, "pair", size=4))
    assert [len(batch.conversations) for batch in batches] == [4, 4, 1]
    for batch in batches:
        assert all(batch.pixels[view].all() for view in batch.seconds)
        again = next(iter(looks_in_order(views, PROTOCOL, "pair", size=4)))
    assert again.texts == batches[0].texts


def test_real_views_can_be_drawn_and_the_same_numbers_draw_the_same(synthetic_folder: Path) -> None:
    views = load_views(synthetic_folder, "train", side=112)
    first, again = (draw_looks(views, PROTOCOL, 16, rng=np.random.default_rng(3)) for _ in range(2))
    assert first.pixels.shape == (16, 112, 112, 3)
    assert np.array_equal(first.pixels, again.pixels)
    assert first.texts == again.texts
    assert all(answered(text).rating is not None for _, text in first.texts if "<answer>" in text)


@given(CORNERS, CORNERS, BOTH)
def test_mirroring_a_box_twice_changes_nothing(across: list[int], down: list[int], flips: tuple[bool, bool]) -> None:
    box = (across[0] / 64, down[0] / 64, across[1] / 64, down[1] / 64)
    once = _flip_box(box, flips)
    assert once is not None
    assert once[0] < once[2]
    assert once[1] < once[3]
    assert _flip_box(once, flips) == box
    assert _flip_box(None, flips) is None


@given(BOTH)
def test_mirroring_pixels_twice_changes_nothing(flips: tuple[bool, bool]) -> None:
    pixels = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(4, 4, 3)
    assert np.array_equal(_flip(_flip(pixels, flips), flips), pixels)
