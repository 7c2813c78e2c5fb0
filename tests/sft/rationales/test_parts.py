from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.sections import sections_in
from loupe.sft.rationales.parts import before_decision, covered, parts_of, sentences, without
from loupe.sft.rationales.prompts import filled, load_prompts

LABELS = ["Summary", "Directions", "Issues", "Decision"]
TEXT = (
    "<think>\nSummary: It is 3.5 of 5. Noise shows! Is it strong?\nDirections: Calm.\n"
    'Issues: "Too dark." The decision is hard.\n4) Decision: Look closer.\n</think>\n<answer>{}</answer>'
)


def shown(text: str, labels: list[str]) -> dict[str, list[str]]:
    return {part.label: [text[a:b] for a, b in sentences(text, part)] for part in parts_of(text, labels)}


def test_sections_are_cut_into_sentences_and_numbers_are_no_ends():
    assert shown(TEXT, LABELS) == {
        "Summary": ["It is 3.5 of 5.", "Noise shows!", "Is it strong?"],
        "Directions": ["Calm."],
        "Issues": ['"Too dark."', "The decision is hard."],
        "Decision": ["Look closer."],
    }


def test_without_labels_the_thinking_is_one_section():
    assert shown("<think> One. Two. </think><answer>{}</answer>", []) == {"": ["One.", "Two."]}


def test_taking_a_sentence_out_leaves_every_other_letter():
    part = parts_of(TEXT, LABELS)[0]
    assert without(TEXT, part, {1}) == TEXT.replace(" Noise shows!", "")
    assert without(TEXT, part, {0}) == TEXT.replace("It is 3.5 of 5. ", "")
    assert without(TEXT, part, set()) == TEXT


def test_the_same_words_in_two_sections_are_two_places():
    text = "<think>Summary: Fine.\nDirections: Fine.</think>"
    second = parts_of(text, LABELS)[1]
    assert without(text, second, {0}) == "<think>Summary: Fine.\nDirections: </think>"


def test_letters_that_grow_when_they_are_lowered_move_no_place():
    text = "<think>summary: İİİİİİ. Noise.\nDECISION: Crop.</think>"
    assert shown(text, LABELS) == {"Summary": ["İİİİİİ.", "Noise."], "Decision": ["Crop."]}
    place = before_decision(text, LABELS)
    assert place is not None
    assert text[place:].startswith("DECISION")


def test_the_decision_begins_at_its_label_or_at_the_last_sentence():
    place = before_decision(TEXT, LABELS)
    assert place is not None
    assert TEXT[:place].endswith("The decision is hard.\n")
    assert TEXT[place:].startswith("4) Decision: Look")
    plain = "<think>Noise. I crop.</think><answer>{}</answer>"
    place = before_decision(plain, [])
    assert place is not None
    assert plain[place:].startswith("I crop.")
    assert before_decision("<think>One only.</think>", []) is None
    assert before_decision("<think>Summary: x. Issues: y.</think>", LABELS) is None
    assert before_decision("no thinking at all", LABELS) is None


@given(st.text(max_size=120), st.booleans())
def test_no_text_breaks_the_cutting_and_sections_keep_their_words(words: str, labelled: bool):
    text = f"<think>Summary: {words}\nDecision: x. {words}</think>" if labelled else words
    labels = LABELS if labelled else []
    for part in parts_of(text, labels):
        pieces = [text[a:b] for a, b in sentences(text, part)]
        assert "".join("".join(pieces).split()) == "".join(text[part.start : part.end].split())
    if labelled:
        think = text[len("<think>") : text.find("</think>")]
        assert {part.label for part in parts_of(text, labels)} <= set(sections_in(think, labels))
    before_decision(text, labels)


IN_FORM = (
    "<think>\n1) Summary: A. B.\nDirections (good): C.\nIssues : D.\nDecision: E.\n</think>\n<answer>{}</answer>\n"
)


@pytest.mark.parametrize(
    "text",
    [
        IN_FORM.replace("1) Summary", "People rated this 3.2. Summary"),
        IN_FORM.replace("Directions (good)", "Summary: A second one.\nDirections (good)"),
        IN_FORM.replace("E.", "E.\nIssues: More noise."),
        IN_FORM.replace("</think>", "</think> It is blurred. </think>"),
        IN_FORM.replace("</answer>", "</answer> <answer>{}</answer>"),
        IN_FORM.replace("<think>", "It is dark. <think>"),
        IN_FORM.replace("</think>", ""),
    ],
)
def test_what_stands_outside_of_the_sections_is_found(text: str):
    assert covered(IN_FORM, LABELS)
    assert covered("<think> Anything. </think><answer>{}</answer>", [])
    assert not covered(text, LABELS)


def test_what_is_filled_in_is_never_filled_in_again():
    assert filled("{a} and {b} and {c}", a="{b}", b="{a}") == "{b} and {a} and {c}"


def test_the_built_in_prompts_have_all_their_places():
    prompts = load_prompts()
    assert all((prompts.teacher, prompts.opinion, prompts.continue_writing, prompts.judge_system, prompts.judge))
    assert '<answer>{"fail": []}</answer>' in filled(prompts.judge, hints="h", label="", sentences="s")


def test_a_file_of_prompts_replaces_what_it_names_and_nothing_else(tmp_path: Path):
    (tmp_path / "own.yaml").write_text("teacher: ''\njudge_system: Be strict.\n")
    own, built_in = load_prompts(str(tmp_path / "own.yaml")), load_prompts()
    assert (own.teacher, own.judge_system) == ("", "Be strict.")
    assert (own.continue_writing, own.judge, own.opinion) == (
        built_in.continue_writing,
        built_in.judge,
        built_in.opinion,
    )
    assert own.fingerprint != built_in.fingerprint
