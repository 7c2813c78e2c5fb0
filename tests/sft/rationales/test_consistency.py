import numpy as np
import pytest
from PIL import Image

from loupe.core.answer import Answer
from loupe.core.protocol import load_protocol
from loupe.core.records import WHOLE, Degradation, Episode, Sample, StopReason, Turn
from loupe.sft.rationales.config import HintBounds
from loupe.sft.rationales.consistency import ConsistencyFilter
from loupe.sft.rationales.judge import Case, Judge, RuleJudge

SAMPLE = Sample("a", "a.png", "d", "train", 3.0, 3.0, degradation=Degradation("blur", 3, WHOLE))
IMAGE = Image.fromarray(np.full((96, 96, 3), 128, np.uint8))
BODY = '<answer>{"bbox_2d": [0, 0, 0, 0], "rating": 3.00, "tool": "final"}</answer>'


class Fails:
    """A judge that fails what holds one of these words, and remembers what it was asked; None says nothing."""

    def __init__(self, *words: str, silent: bool = False) -> None:
        self.words, self.silent = words, silent
        self.asked: list[Case] = []

    def failing(self, case: Case) -> dict[int, str] | None:
        self.asked.append(case)
        if self.silent:
            return None
        return {n: "bad" for n, text in enumerate(case.sentences) if any(word in text for word in self.words)}


def episode(**sections: str) -> Episode:
    said = {"Summary": "One. Two.", "Directions": "Noise free.", "Issues": "Three. Four.", "Decision": "Easy."}
    think = "\n".join(f"{label}: {text}" for label, text in {**said, **sections}.items())
    text = f"<think>\n{think}\n</think>\n{BODY}"
    return Episode("a", (Turn(WHOLE, text, Answer(rating=3.0, tool="final", think=think), 0, 0.0),), StopReason.FINAL)


def check(made: Episode, judge: Judge | None, *, tell: bool = False, most: float = 0.5, label: bool = True) -> dict:
    made_filter = ConsistencyFilter(judge, load_protocol("zoom-iqa"), label, tell, most)
    return made_filter.check(SAMPLE, made, IMAGE, key="a#0/judge")


def test_what_nothing_speaks_against_is_packed_letter_for_letter():
    said = episode()
    row = check(said, Fails("never"))
    assert (row["problem"], row["texts"], row["dropped"]) == (None, [said.turns[0].text], [])
    assert len(row["regions"]) == 10


def test_failing_sentences_go_and_the_rest_stays():
    said = episode()
    row = check(said, Fails("One", "Four"))
    assert row["texts"] == [said.turns[0].text.replace("One. ", "").replace(" Four.", "")]
    assert [(item["section"], item["text"]) for item in row["dropped"]] == [("Summary", "One."), ("Issues", "Four.")]


def test_a_section_without_a_sentence_left_is_made_again():
    assert check(episode(), Fails("One", "Two"))["problem"] == "no sentence of a section stands: look 1, Summary"


def test_losing_too_much_is_made_again():
    row = check(episode(), Fails("One", "Four"), most=0.3)
    assert row["problem"] == "too many sentences fail: 2 of 6"


def test_wishes_are_not_checked_and_numbers_still_belong_to_their_sentences():
    judge = Fails("Noise", "Four")
    row = check(episode(), judge)
    assert judge.asked[0].sentences == ("One.", "Two.", "Three.", "Four.", "Easy.")
    assert [item["text"] for item in row["dropped"]] == ["Four."]


def test_a_judge_that_says_nothing_packs_nothing():
    assert check(episode(), Fails(silent=True))["problem"] == "the judge said nothing that can be read"


def test_the_judge_is_told_the_label_only_where_the_settings_say_so():
    told, untold = Fails(), Fails()
    check(episode(), told)
    check(episode(), untold, label=False)
    assert (told.asked[0].sample, untold.asked[0].sample) == (SAMPLE, None)


def test_what_only_the_teacher_was_told_is_taken_out():
    said = episode(Summary="One. People rated it 3.1.")
    assert check(said, None, tell=True)["texts"][0].count("People rated") == 0
    assert check(said, None)["texts"] == [said.turns[0].text]


def test_a_flat_grey_picture_is_not_noisy_to_the_rules():
    row = check(episode(Issues="Strong noise. A tree."), RuleJudge(HintBounds()), label=False)
    assert [item["text"] for item in row["dropped"]] == ["Strong noise."]
    assert "noise is 0 at most" in row["dropped"][0]["reason"]


def test_a_leak_outside_of_the_sentences_is_made_again():
    row = check(episode(Decision="Easy.\nSummary: the mean opinion is 3.2."), None, tell=True)
    assert row["problem"] == "speaks of what only the teacher was told"


@pytest.mark.parametrize(
    ("sentence", "leaks"),
    [
        ("The label on the bottle is sharp.", False),
        ("In my opinion the sky is calm.", False),
        ("People walk along the street.", False),
        ("I know its score is 3.2, as people said.", True),
        ("The label says 3.2.", True),
        ("The opinion that was given is 3.2.", True),
        ("It fits the known rating.", True),
        ("The ground\ntruth is low.", True),
    ],
)
def test_what_speaks_of_the_told_opinion_is_told_from_what_is_in_the_picture(sentence: str, leaks: bool):
    row = check(episode(Summary=f"One. Two. {sentence}"), None, tell=True)
    assert bool(row["dropped"]) is leaks
    assert (sentence in row["texts"][0]) is not leaks
