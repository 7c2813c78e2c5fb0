"""Prompts for a restorer: the agent's own words where there are any, ours where not, and never more than one line."""

import pytest

from loupe.bench.assess import Judgement
from loupe.bench.restoration.prompts import MAX_PROMPT, one_line, place, prompts_for, prompts_row, worded
from loupe.core.answer import answer_of
from loupe.core.protocol import Protocol
from loupe.core.records import DISTORTION_CLASSES, SEVERITIES, WHOLE, Box, Episode, StopReason, Turn

CORNER = (0.5, 0.0, 1.0, 0.5)
SECTIONED = Protocol(
    sections=["Summary", "Better", "Wrong", "Decision"],
    later_sections=["Crop", "Better", "Wrong", "Decision"],
    positive_section="Better",
    negative_section="Wrong",
)


def turn(think: str, *, box: Box = CORNER) -> Turn:
    answer = answer_of(think, distortion_class="noise", severity="obvious", bbox_2d=box, rating=2.5, tool="final")
    return Turn(WHOLE, think, answer, tokens=1, seconds=0.0)


def judged(*thinks: str) -> Judgement:
    episode = Episode("a", tuple(turn(think) for think in thinks), StopReason.FINAL)
    return Judgement("a.png", 2.5, distortion_class="noise", severity="obvious", samples=(episode,))


def test_the_agents_own_words_are_used_of_its_last_turn_that_has_both():
    first = "Summary: so. Better: calm sky. Wrong: grain in the sky. Decision: crop."
    second = "Crop: worse. Better: calm\n  sky, crisp roof. Wrong: heavy grain. Decision: done."
    third = "Crop: same. Better: nothing else. Decision: done."
    found = prompts_for(judged(first, second, third), SECTIONED)
    assert found is not None
    assert (found.positive, found.negative, found.source) == ("calm sky, crisp roof.", "heavy grain.", "agent")


@pytest.mark.parametrize("think", ["I see noise.", "Better: calm sky. Decision: done.", "Better: \u200b Wrong: grain."])
def test_without_both_sections_the_diagnosis_is_worded(think: str):
    found = prompts_for(judged(think), SECTIONED)
    assert found is not None
    assert found.source == "diagnosis"
    assert found.negative.startswith("obvious grain, colour speckles at the top right")
    assert "smooth surfaces" in found.positive


def test_a_protocol_without_such_sections_takes_no_words_of_the_agent():
    found = prompts_for(judged("Better: calm sky. Wrong: grain."), Protocol())
    assert found is not None
    assert found.source == "diagnosis"


@pytest.mark.parametrize("name", DISTORTION_CLASSES)
@pytest.mark.parametrize("severity", SEVERITIES)
def test_the_positive_prompt_names_nothing_that_is_wrong(name: str, severity: str):
    found = worded(name, severity, CORNER)
    bad = {
        "noise",
        "grain",
        "blur",
        "blurry",
        "blocks",
        "dark",
        "underexposure",
        "overexposure",
        "no",
        "not",
        "without",
    }
    assert not bad & set(found.positive.replace(",", "").lower().split())
    assert found.negative.startswith(f"{severity} ")
    assert found.positive != worded("clean", None, None).positive


def test_a_clean_picture_and_a_class_without_words_have_prompts_too():
    assert worded(None, None, None).positive
    strange = worded("moire\nlines", "serious", None)
    assert strange.negative.startswith("serious moire lines, ")


@pytest.mark.parametrize(
    ("box", "words"),
    [
        ((0.0, 0.0, 0.5, 0.5), " at the top left"),
        ((0.25, 0.5, 0.75, 1.0), " at the bottom"),
        ((0.25, 0.25, 0.75, 0.75), " in the centre"),
        ((0.5, 0.25, 1.0, 0.75), " on the right"),
        (WHOLE, ""),
        ((0.0, 0.0, 1.0, 0.9), ""),
        (None, ""),
        ((10.0, 20.0, 110.0, 120.0), ""),
    ],
)
def test_a_box_has_words_where_it_is_a_part_of_the_image(box: Box | None, words: str):
    assert place(box) == words


def test_what_a_model_wrote_is_one_printable_line_of_bounded_length():
    wild = "red\x1b[2J \u202eleft\u2028\tend\ud800 " + "word " * 400
    line = one_line(wild)
    assert line.startswith("red[2J left end word")
    assert line.isprintable()
    assert len(line) <= MAX_PROMPT
    assert line.endswith("word")
    assert len(one_line("x" * 5000)) == MAX_PROMPT


def test_a_row_holds_diagnosis_and_prompts_and_says_whose_words_they_are():
    row = prompts_row(judged("I see noise."), Protocol())
    assert (row["image"], row["rating"], row["distortion_class"], row["severity"]) == ("a.png", 2.5, "noise", "obvious")
    assert (row["bbox_2d"], row["source"], row["problem"]) == (CORNER, "diagnosis", None)
    assert row["positive_prompt"]
    assert row["negative_prompt"]


def test_a_picture_without_verdict_has_no_prompts_and_a_reason():
    row = prompts_row(Judgement("b.png", problem="is empty"), SECTIONED)
    assert row["problem"] == "is empty"
    assert [row[key] for key in ("positive_prompt", "negative_prompt", "source", "bbox_2d")] == [None] * 4


def test_an_answer_without_a_class_has_no_prompts_and_says_why_but_null_is_a_finding():
    def row(**fields: object) -> dict[str, object]:
        answer = answer_of("hm", rating=4.5, tool="final", **fields)
        episode = Episode("a", (Turn(WHOLE, "", answer, tokens=1, seconds=0.0),), StopReason.FINAL)
        return prompts_row(Judgement("a.png", 4.5, samples=(episode,)), Protocol())

    assert row()["positive_prompt"] is None
    assert "neither a distortion class" in str(row()["problem"])
    assert row(distortion_class=None)["positive_prompt"]
    assert row(distortion_class=None)["problem"] is None
