"""Labelled sections are found where they are written, and nothing is made up where they are not."""

from hypothesis import given
from hypothesis import strategies as st

from loupe.core.sections import has_all, sections_in

LABELS = ["Summary", "Directions", "Issues", "Decision"]


def test_text_stands_under_the_label_before_it() -> None:
    think = "Summary: soft.\nDirections: crisp walls.\nIssues: blur: on the wall.\nDecision: hard."
    assert sections_in(think, LABELS) == {
        "Summary": "soft.",
        "Directions": "crisp walls.",
        "Issues": "blur: on the wall.",
        "Decision": "hard.",
    }
    assert has_all(think, LABELS)


def test_numbers_remarks_and_case_do_not_hide_a_label() -> None:
    think = "1) SUMMARY: a. 2) Directions (positive, grounded): b.\n3. issues : c"
    assert sections_in(think, LABELS) == {"Summary": "a.", "Directions": "b.", "Issues": "c"}
    assert not has_all(think, LABELS)


def test_a_label_without_a_colon_or_within_a_word_is_text() -> None:
    assert sections_in("Summary of it all. NonIssues: none", LABELS) == {}


def test_the_longer_of_two_labels_is_found_whole() -> None:
    assert sections_in("Final Decision: yes", ["Decision", "Final Decision"]) == {"Final Decision": "yes"}


def test_the_first_of_two_sections_of_one_name_counts_and_an_empty_or_misplaced_one_is_not_complete() -> None:
    assert sections_in("Issues: a Issues: b", LABELS) == {"Issues": "a"}
    assert not has_all("Summary: a Directions: Issues: c Decision: d", LABELS)
    assert not has_all("Directions: b Summary: a Issues: c Decision: d", LABELS)
    assert has_all("anything", [])


@given(st.text(max_size=300))
def test_no_text_breaks_it_and_every_section_is_a_part_of_the_text(text: str) -> None:
    assert all(part in text for part in sections_in(text, LABELS).values())


def test_a_number_that_ends_a_sentence_stays_in_it() -> None:
    think = "Summary: I rate this 3.5. Directions: lift the exposure by 2. Issues: noise."
    assert sections_in(think, LABELS) == {
        "Summary": "I rate this 3.5.",
        "Directions": "lift the exposure by 2.",
        "Issues": "noise.",
    }


def test_letters_that_only_look_like_a_label_break_nothing() -> None:
    assert sections_in("I\u017f\u017fues: grain", LABELS) == {}
    assert sections_in("Issues" + "\t" * 50_000, LABELS) == {}
