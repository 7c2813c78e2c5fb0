"""The reference dialects give what the code of their papers extracts: cases run through it, and hand-made ones."""

import pytest

from loupe.core.answer import parse
from loupe.core.dialects.zoom_iqa import benchmark_score

# VisualQuality-R1, training rules: text, number (None where the code draws a random one), layout.
R1 = [
    ("<think>a</think><answer>3.50</answer>", 3.5, True),
    ("<think>1. blur</think> 4", 1.0, False),
    ("<think>a</think><answer>Score: -1.5</answer>", -1.5, True),
    ("<think>a</think><answer>0.20</answer>", 0.2, True),
    ("<think>a</think><answer>4,5</answer>", 4.0, True),
    ("<think>a</think><answer>3</answer>\n", 3.0, False),
    ("<think>a</think>x</think><answer>3</answer>", 3.0, True),
    ("<think>a</think><answer>good</answer>", None, True),
    ("<think>two\nlines</think>\n\n<answer>\n3.10\n</answer>", 3.1, True),
    ("<think>a</think><answer>1e2</answer>", 1.0, True),
    ("<think>a</think><answer>.5</answer>", 5.0, True),
    ("<think>a</think><answer>3.5/5</answer>", 3.5, True),
    ("<answer>2</answer> and <answer>4</answer>", 4.0, False),
    (" <think>a</think><answer>3</answer>", 3.0, False),
    ("<think>a</think> so <answer>3</answer>", 3.0, False),
    ("no number at all", None, False),
    (f"<think>a</think><answer>{'9' * 400}</answer>", None, True),
]


@pytest.mark.parametrize(("text", "rating", "laid_out"), R1)
def test_visualquality_r1_takes_the_first_number_of_the_last_answer(
    text: str, rating: float | None, laid_out: bool
) -> None:
    answer = parse(text, dialect="visualquality-r1")
    assert (answer.rating, answer.usable, answer.well_formed) == (rating, rating is not None, laid_out)


def lines(body: str, think: str = "soft") -> str:
    return f"<think>\n{think}\n</think>\n<answer>\n{body}\n</answer>"


# Q-Insight: text, rating, (class, severity), layout.
NOISE = '{"distortion_class": "noise", "severity": "obvious"}'
Q_INSIGHT = [
    (lines('{"rating": 3.42}'), 3.42, (None, None), True),
    (lines('{"rating": 5.20}'), 5.2, (None, None), True),
    ('<think> soft </think><answer> {"rating": 3.42} </answer>', 3.42, (None, None), False),
    (lines('{"rating": "3.42"}'), None, (None, None), True),
    (lines('{"rating": 3.42'), 3.42, (None, None), False),
    ('{"rating": 3.42}', None, (None, None), False),
    (lines('```json\n{"rating": 3.42}\n```'), 3.42, (None, None), False),
    (lines('{"Rating": 3.42}'), None, (None, None), True),
    (lines('{"rating": 3.5}', think="so <answer>1</answer>"), None, (None, None), True),
    ('<think>\nok</think>\n<answer>\n{"rating": 3.5}\n</answer>', 3.5, (None, None), False),
    (lines("{}"), None, (None, None), True),
    (lines('{"rating": -3.5}'), None, (None, None), True),
    (lines('{"rating": 3.4.2}'), None, (None, None), True),
    (lines('{"rating": 3.5}') + " \n", 3.5, (None, None), True),
    (lines('{"a": {}, "rating": 3.5}'), 3.5, (None, None), False),
    (lines("3.5"), None, (None, None), False),
    (lines(NOISE), None, ("noise", "obvious"), True),
    (lines('{"distortion_class": "Noise", "severity": "obvious"}'), None, ("Noise", "obvious"), True),
    (lines('{"distortion_class": "null", "severity": "null"}'), None, ("null", "null"), True),
    (lines('{"distortion_class": null, "severity": null}'), None, (None, None), True),
    (lines('{"severity": "obvious", "distortion_class": "noise"}'), None, (None, None), True),
    (lines("{'distortion_class': 'noise', 'severity': 'obvious'}"), None, (None, None), True),
    (lines('{"distortion_class": " noise ", "x": 1, "severity": "slight"}'), None, ("noise", "slight"), True),
]


@pytest.mark.parametrize(("text", "rating", "damage", "laid_out"), Q_INSIGHT)
def test_q_insight_reads_rating_and_damage_by_its_patterns(
    text: str, rating: float | None, damage: tuple[str | None, str | None], laid_out: bool
) -> None:
    answer = parse(text, dialect="q-insight")
    assert (answer.rating, (answer.distortion_class, answer.severity)) == (rating, damage)
    assert answer.well_formed == laid_out


@pytest.mark.parametrize(
    ("body", "choice"),
    [
        ("Image A", "Image A"),
        (" Similar ", "Similar"),
        ('"Image A"', '"Image A"'),
        ("Image A is better", "Image A is better"),
        ("image b", "image b"),
    ],
)
def test_q_insight_takes_the_choice_of_a_comparison_verbatim(body: str, choice: str) -> None:
    answer = parse(lines(body), dialect="q-insight")
    assert (answer.choice, answer.usable, answer.well_formed) == (choice, True, True)


def test_a_hidden_exception_of_the_reference_is_an_unusable_answer() -> None:
    assert parse(lines('{"rating": 3.4.2}'), dialect="q-insight").problem == "rating '3.4.2' is no number"


BOX = [0.1, 0.1, 0.5, 0.5]
# Zoom-IQA: text, box, rating, crop asked for.
ZOOM = [
    ('<answer>{"bbox_2d": [0.29, 0.24, 0.88, 0.73], "rating": 3.56, "tool": "crop"}</answer>',
     [0.29, 0.24, 0.88, 0.73], 3.56, True),
    ('<answer>{"bbox_2d": [0.1,0.1,0.5,0.5], "rating": 4.18, "tool": "final"}</answer>', BOX, 4.18, False),
    ('<answer>{"bbox_2d": [0.1,0.1,0.5,0.5], "rating": 4.18, "tool": "zoom"}</answer>', BOX, 4.18, True),
    ('<answer>{"rating": 3.25}</answer>', None, 3.25, False),
    ('<answer>{"bbox_2d": [0,0,0,0], "rating": "7", "tool": "final"}</answer>', [0, 0, 0, 0], 7.0, False),
    ('<answer>{"bbox_2d": [0,0,0,0], "rating": 2.0, "tool": "crop"}</answer> x <answer>{"rating": 4}</answer>',
     [0, 0, 0, 0], 2.0, False),
    ('<answer>{"bbox_2d": [30, 20, 90, 70], "rating": 2, "tool": "crop"}</answer>', [30, 20, 90, 70], 2.0, True),
    ('<answer>{"bbox_2d": ["0.1", "0.1", "0.5", "0.5"], "rating": 2, "tool": "crop"}</answer>', BOX, 2.0, True),
    ('<answer>{"bbox_2d": "somewhere", "rating": 2, "tool": "crop"}</answer>', None, 2.0, True),
    ('<answer>{"bbox_2d": 7, "rating": 2, "tool": "crop"}</answer>', None, 2.0, False),
    ('<answer>{"bbox_2d": [], "rating": 2, "tool": "crop"}</answer>', None, 2.0, False),
    ('<answer> good </answer><answer>{"rating": 1}</answer>', None, 1.0, False),
    ('<answer>{"rating": 1</answer>}</answer>', None, None, False),
    ('<answer>{"rating": NaN}</answer>', None, None, False),
    ("<answer>{'rating': 3}</answer>", None, None, False),
]  # fmt: skip


@pytest.mark.parametrize(("text", "box", "rating", "crop"), ZOOM)
def test_zoom_iqa_routes_by_box_and_tool(text: str, box: list[float] | None, rating: float | None, crop: bool) -> None:
    answer = parse(text, dialect="zoom-iqa")
    assert answer.bbox_2d == (None if box is None else tuple(box))
    assert (answer.rating, answer.usable, answer.wants_crop) == (rating, rating is not None, crop)


@pytest.mark.parametrize(("rating", "score"), [(3.56, 64.0), (4.18, 79.5), (3.25, 56.25), (7.0, 100.0), (-2.0, 0.0)])
def test_a_rating_is_clipped_where_it_becomes_a_benchmark_score(rating: float, score: float) -> None:
    assert benchmark_score(rating) == pytest.approx(score, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "laid_out"),
    [
        ('<think>a</think>\n<answer>{"bbox_2d": [0, 0, 0, 0], "rating": 3.25, "tool": "final"}</answer>', True),
        ('<think>a</think><answer>{"bbox_2d": [0, 0, 0, 0], "rating": 7, "tool": "final"}</answer>', False),
        ('<think>a</think><answer>{"bbox_2d": [0, 0, 0, 0], "rating": "3", "tool": "final"}</answer>', False),
        ('<think>a</think><answer>{"bbox_2d": [0, 0, 0, 0], "rating": 3, "tool": "zoom"}</answer>', False),
        ('<think>a</think><answer>{"rating": 3, "tool": "final"}</answer>', False),
        ('<answer>{"bbox_2d": [0, 0, 0, 0], "rating": 3, "tool": "final"}</answer>', False),
    ],
)
def test_the_layout_of_zoom_iqa_is_ours_and_wants_all_three_keys(text: str, laid_out: bool) -> None:
    assert parse(text, dialect="zoom-iqa").well_formed == laid_out
