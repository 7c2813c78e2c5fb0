"""The grammar reads what a model said and nothing else: unusable text is data with a reason, not a crash."""

import math
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from loupe.core.answer import DIALECTS, Answer, answer_of, parse, render
from loupe.core.dialects.loupe import MAX_FIELD
from loupe.core.errors import ConfigError

printable = st.characters(exclude_categories=("C", "Z"), exclude_characters="<") | st.just(" ")
words = st.text(printable, min_size=1, max_size=MAX_FIELD).filter(lambda word: bool(word.strip()))
steps = st.integers(0, 10_000).map(lambda number: number / 10_000)
boxes = st.tuples(steps, steps, steps, steps).filter(lambda box: box[0] < box[2] and box[1] < box[3])
tagless = st.text(st.characters(exclude_characters="<"), max_size=60)
fields = st.fixed_dictionaries(
    {},
    optional={
        "rating": st.none() | st.integers(100, 500).map(lambda number: number / 100),
        "distortion_class": st.none() | words,
        "severity": st.none() | words,
        "bbox_2d": st.none() | boxes,
        "tool": st.none() | words,
        "choice": st.none() | words,
    },
).filter(bool)
pieces = [*'<>/{}[]":,.0123456789eE-+ \n', "<think>", "</think>", "<answer>", "</answer>", '"rating"', '"bbox_2d"']
garbage = st.lists(st.sampled_from(pieces), max_size=60).map("".join)


def body(text: str) -> str:
    return f"<think>hm</think><answer>{text}</answer>"


def problem(text: str) -> str:
    answer = parse(text)
    assert not answer.usable
    assert not answer.wants_crop
    assert answer.problem is not None
    return answer.problem


@given(think=tagless, made=fields)
def test_what_is_rendered_is_what_is_parsed(think: str, made: dict) -> None:
    answer = answer_of(think, **made)
    assert parse(render(answer)) == answer
    assert answer.well_formed
    assert set(answer.said) == set(made)


@given(made=fields)
def test_an_answer_comes_back_from_its_own_json(made: dict) -> None:
    answer = answer_of("so", **made)
    assert Answer.from_json(answer.to_json()) == answer


@pytest.mark.parametrize("dialect", DIALECTS)
@settings(max_examples=400)
@given(text=st.one_of(st.text(), garbage, garbage.map(body)))
@example("<answer>")
@example("</answer><answer>")
def test_no_text_makes_a_dialect_raise(dialect: str, text: str) -> None:
    answer = parse(text, dialect=dialect)
    assert answer.rating is None or math.isfinite(answer.rating)
    assert (answer.problem is None) == answer.usable


@settings(max_examples=400)
@given(text=st.one_of(st.text(), garbage, garbage.map(body)))
@example("<answer>")
@example("</answer><answer>")
@example("</think></think><think>")
def test_any_text_gives_an_answer_and_a_usable_one_can_be_said_again(text: str) -> None:
    answer = parse(text)
    assert answer.rating is None or 1 <= answer.rating <= 5
    assert answer.usable or answer.problem
    if answer.usable:
        assert parse(render(answer)).rating == answer.rating
        assert parse(render(answer)).bbox_2d == answer.bbox_2d


@pytest.mark.parametrize(
    "text", ['{"rating": 3}', ' {"rating": 3} ', '```json\n{"rating": 3}\n```', '<think>a</think>{"rating": 3}']
)
def test_a_whole_json_object_without_tags_is_an_answer_that_is_not_well_formed(text: str) -> None:
    answer = parse(text)
    assert (answer.rating, answer.usable, answer.well_formed) == (3.0, True, False)


def test_a_whole_answer_is_read() -> None:
    seen = '"distortion_class": "blur", "severity": "obvious", "bbox_2d": [0.1, 0.2, 0.5, 1]'
    text = body("{" + seen + ', "rating": 2, "tool": "crop"}')
    answer = parse(text)
    assert (answer.rating, answer.distortion_class, answer.severity) == (2.0, "blur", "obvious")
    assert answer.bbox_2d == (0.1, 0.2, 0.5, 1.0)
    assert (answer.think, answer.problem, answer.well_formed, answer.wants_crop) == ("hm", None, True, True)


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ('{"rating": 3.42', {"rating": 3.42}),
        ("{'rating': 3}", {"rating": 3.0}),
        ("3.5", {"rating": 3.5}),
        ("4.25/5", {"rating": 4.25}),
        ("3 out of 5", {"rating": 3.0}),
        ('"rating: 3"', {"rating": 3.0}),
        ("**Rating:** 3.5 / 5", {"rating": 3.5}),
        ('```json\n{"rating": 2}\n```', {"rating": 2.0}),
        ("Rating: 3.5.", {"rating": 3.5}),
        (
            "{'distortion_class': 'blur', 'severity': null, 'bbox_2d': [0, .25, 1, 0.5], 'rating': 2, 'tool': 'crop'}",
            {"distortion_class": "blur", "severity": None, "bbox_2d": (0, 0.25, 1, 0.5), "rating": 2.0, "tool": "crop"},
        ),
    ],
)
def test_what_is_no_json_is_read_by_careful_patterns_and_is_not_well_formed(text: str, fields: dict) -> None:
    answer = parse(body(text))
    assert answer.usable
    assert {key: getattr(answer, key) for key in answer.said} == fields
    assert not answer.well_formed


@pytest.mark.parametrize(
    "text",
    ["rating: 3, rating: 4", "rating: 3,5", "rating: 3 or 4", "rating: -2", "rating: 3/10", "rating: 35", "3.5/10",
     "rating: 1e0", "{'rating': 3, 'bbox_2d': [0, 0, 1, x]}", "{'rating': 3, 'tool': crop}", "overrating: 3"],
)  # fmt: skip
def test_what_could_mean_two_things_means_nothing(text: str) -> None:
    assert problem(body(text))


@pytest.mark.parametrize("word", ["null", '"null"', '"None"', '" none "'])
def test_null_is_none_however_it_is_written(word: str) -> None:
    answer = parse(body(f'{{"distortion_class": {word}, "severity": {word}, "rating": 5}}'))
    assert (answer.distortion_class, answer.severity, answer.problem) == (None, None, None)
    assert answer.said == ("distortion_class", "severity", "rating")


def test_a_dialect_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="wanted one of loupe, visualquality-r1, q-insight, zoom-iqa"):
        parse("", dialect="klingon")


def test_null_and_not_asked_differ() -> None:
    assert parse(body('{"distortion_class": null}')).said == ("distortion_class",)
    assert parse(body('{"rating": 3}')).said == ("rating",)


def test_unknown_keys_beside_known_ones_are_ignored() -> None:
    assert parse(body('{"rating": 3, "mood": "good"}')).rating == 3


@pytest.mark.parametrize(
    "rating",
    ["NaN", "Infinity", "-Infinity", "1e999", "-1e999", "0", "0.99", "5.01", "6", '"3"', "true", "[3]", "{}", "9" * 400,
     "9" * 6000, "3,5", "03", ".5", "3 / 10", "-3", "3 4", "1e0,"],
)  # fmt: skip
def test_a_rating_that_is_no_number_from_one_to_five_is_a_problem_and_not_a_guess(rating: str) -> None:
    assert problem(body(f'{{"rating": {rating}}}'))
    assert parse(body(f'{{"rating": {rating}}}')).rating is None


@pytest.mark.parametrize(
    "box",
    ["[0, 0, 1]", "[0, 0, 1, 1, 1]", "[0.5, 0, 0.5, 1]", "[0.9, 0, 0.1, 1]", "[0, 0.9, 1, 0.1]", "[-0.1, 0, 1, 1]",
     "[0, 0, 1.1, 1]", "[0, 0, 640, 480]", "[0, 0, null, 1]", "[0, 0, 1e999, 1]", '["0", "0", "1", "1"]', '"whole"',
     "1", "{}", "[true, 0, 1, 1]", "[0.1, 0, 0.10001, 1]", "[[0, 0, 1, 1]]"],
)  # fmt: skip
def test_a_box_that_is_no_region_is_a_problem_even_beside_a_good_rating(box: str) -> None:
    assert "bbox_2d" in problem(body(f'{{"rating": 3, "bbox_2d": {box}}}'))


@pytest.mark.parametrize(
    "word", ['""', '"  "', "3", "[]", "true", '"' + "x" * 65 + '"', r'"\u001b[31m"', r'"\ud800"', r'"a\nb"']
)
def test_a_word_that_is_none_is_a_problem(word: str) -> None:
    assert "distortion_class" in problem(body(f'{{"distortion_class": {word}}}'))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no tags",
        "<answer>",
        '<answer>{"rating": 3}',
        "3",
        "rating: 3",
        '{"rating": 3',
        'So: {"rating": 3}',
        "</answer><answer>",
        '{"rating": 3} <answer>',
    ],
)
def test_without_an_answer_there_is_none(text: str) -> None:
    assert "no complete" in problem(text)


@pytest.mark.parametrize("text", ["{}", '{"mood": 1}', "[]", "null", "", "rating 3", "good", "the rating is high"])
def test_an_answer_that_says_nothing_known_is_a_problem(text: str) -> None:
    assert problem(body(text))


def test_an_answer_inside_of_the_thinking_is_thinking() -> None:
    assert "no complete" in problem('<think><answer>{"rating": 3}</answer></think>')
    assert parse('<think><answer>{"rating": 3}</answer></think><answer>{"rating": 2}</answer>').rating == 2


def test_the_last_complete_answer_counts() -> None:
    assert parse(body('{"rating": 3}') + '<answer>{"rating": 4}</answer>').rating == 4
    assert parse(body('{"rating": 3}') + '<answer>{"rating": 4}').rating == 3
    assert "not readable" in problem(body('{"rating": 3}') + '<answer>{"rating": 4, "rating": 4}</answer>')


def test_repeated_and_nested_answers_are_not_well_formed() -> None:
    for text in (
        body('{"rating": 3}') * 2,
        body('<answer>{"rating": 3}</answer>'),
        'so <answer>{"rating": 3}</answer>',
    ):
        assert not parse(text).well_formed


def test_a_key_given_twice_is_a_problem() -> None:
    assert "twice" in problem(body('{"rating": 3, "rating": 4}'))
    assert "twice" in problem(body('{"rating": 3, "rating": 3}'))


def test_words_around_the_answer_do_not_hide_it_but_spoil_the_layout() -> None:
    answer = parse("Sure! " + body('{"rating": 3}') + " Anything else?")
    assert (answer.rating, answer.well_formed) == (3.0, False)


@pytest.mark.parametrize("opener", ["[", '{"a":', '{"rating":', '{"bbox_2d":['])
@pytest.mark.parametrize("depth", [500, 900, 990, 1000, 20_000])
@pytest.mark.parametrize("wrap", ["{}", '{{"bbox_2d": {}}}', '{{"rating": {}}}', '{{"severity": {}}}'])
def test_deep_nesting_is_a_problem_and_not_a_crash(opener: str, depth: int, wrap: str) -> None:
    closers = "".join({"[": "]", "{": "}"}.get(character, "") for character in reversed(opener))
    assert problem(body(wrap.format(opener * depth)))
    assert problem(body(wrap.format(opener * depth + "1" + closers * depth)))


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    "unit",
    ["<", "<think>", "</think>", "<answer>", "</answer>", "<think></think>", "<answer></answer>", "<think><answer>",
     " ", "[", "\\", '"', "{", "x", "9", "<answer>{", "\u0000", "🙂",
     "\n", "</think>\n<answer>\n", "</think><answer>{", "}</answer>", '"rating":', '"distortion_class": "a"', "rating:",
     "3"],
)  # fmt: skip
def test_a_megabyte_of_anything_is_read_within_a_second(unit: str, dialect: str) -> None:
    for text in (unit * (1_000_000 // len(unit)), body(unit * (90_000 // len(unit))), "<answer>" + unit * 1_000_000):
        began = time.perf_counter()
        parse(text, dialect=dialect)
        assert time.perf_counter() - began < 1.0


def test_what_an_agent_cannot_say_cannot_be_made() -> None:
    for wrong in ({}, {"rating": 7}, {"rating": "3"}, {"mood": "good"}, {"bbox_2d": (0.5, 0.0, 0.1, 1.0)}):
        with pytest.raises(ValueError):
            answer_of("", **wrong)
    for think in ("a</think>b", "<think>", "<answer>", "x" * 200_000):
        with pytest.raises(ValueError, match="no text can say"):
            answer_of(think, rating=3)
    with pytest.raises(ValueError, match="is no word"):
        answer_of("", tool="</answer>")


def test_what_is_rendered_holds_every_field_that_is_set() -> None:
    assert parse(render(Answer(rating=3.0, tool="final"))).rating == 3.0


def test_an_unusable_answer_cannot_be_rendered() -> None:
    with pytest.raises(ValueError, match="cannot render an unusable answer"):
        render(parse("nothing"))


def test_the_number_comes_after_what_it_follows_from() -> None:
    text = render(
        answer_of("so", rating=2, tool="final", bbox_2d=(0, 0, 1, 1), severity="slight", distortion_class="blur")
    )
    places = [text.index(key) for key in ("distortion_class", "severity", "bbox_2d", "rating", "tool")]
    assert places == sorted(places)
