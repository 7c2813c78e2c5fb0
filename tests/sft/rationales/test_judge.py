from dataclasses import replace

import pytest

from loupe.core.errors import ConfigError
from loupe.core.policy import Conversation, Reply
from loupe.core.records import Degradation, Sample
from loupe.sft.rationales.claims import claims
from loupe.sft.rationales.config import HintBounds
from loupe.sft.rationales.hint_words import hints_text, label_text, place
from loupe.sft.rationales.hints import Hints, Region
from loupe.sft.rationales.judge import Case, EndpointJudge, RuleJudge, read_verdict
from loupe.sft.rationales.prompts import Prompts, load_prompts
from loupe.zoom.scripted import ScriptedPolicy

CALM = Hints(brightness=120, contrast=45, colourfulness=40, sharpness=0.6, blockiness=1.0, noise=0.5)
WHOLE = (0.0, 0.0, 1.0, 1.0)
CORNER = (0.0, 0.0, 1 / 3, 1 / 3)


def case(*sentences: str, regions: tuple[Region, ...] = (Region(WHOLE, CALM),), sample: Sample | None = None) -> Case:
    return Case("a#0/judge", sentences, regions, sample)


def labelled(distortion_class: str | None) -> Sample:
    truth = Degradation(distortion_class, 3 if distortion_class else 0, WHOLE if distortion_class else None)
    return Sample("a", "a.png", "d", "train", 3.0, 3.0, degradation=truth)


@pytest.mark.parametrize(
    ("sentence", "found"),
    [
        ("Grainy noise lies over the sky.", [("noise", True, True)]),
        ("There is no visible noise.", [("noise", False, False)]),
        ("It is free of blur.", [("sharpness", True, False)]),
        ("The face is not sharp.", [("sharpness", False, False)]),
        ("Avoid the noise on the left.", [("noise", True, True)]),
        ("A dark, blurry corner.", [("sharpness", False, True), ("brightness", False, True)]),
        ("An easy case, so I finish.", []),
        ("The blocks of flats are well lit.", []),
        ("The picture is not blurry but noisy.", [("noise", True, True), ("sharpness", True, False)]),
        ("The sky is noise-free.", [("noise", False, False)]),
        ("Noise is absent.", [("noise", False, False)]),
        ("Blur cannot be seen.", [("sharpness", True, False)]),
        ("It is neither blurry nor too dark.", [("sharpness", True, False), ("brightness", True, False)]),
        ("The picture is free of noise.", [("noise", False, False)]),
        ("A building blocking the view.", []),
    ],
)
def test_words_make_claims_and_denials_turn_them_round(sentence: str, found: list[tuple[str, bool, bool]]):
    assert [(claim.measure, claim.high, claim.present) for claim in claims(sentence)] == found


@pytest.mark.parametrize(
    ("sentence", "stands"),
    [
        ("Strong noise everywhere.", False),
        ("There is no noise.", True),
        ("The picture is blurred.", False),
        ("The picture is crisp.", True),
        ("Blocky artefacts.", False),
        ("It is far too dark.", False),
        ("A high contrast view.", True),
        ("A vivid scene.", True),
        ("A monochrome scene.", False),
        ("A tree stands on the left.", True),
    ],
)
def test_a_claim_that_no_measurement_bears_out_fails(sentence: str, stands: bool):
    assert (0 not in RuleJudge(HintBounds()).failing(case(sentence))) is stands


def test_one_region_that_bears_a_claim_out_is_enough():
    noisy = Region(CORNER, replace(CALM, noise=20.0))
    judge = RuleJudge(HintBounds())
    asked = case("Noise in a corner.", "Nothing is noisy.", regions=(Region(WHOLE, CALM), noisy))
    assert list(judge.failing(asked)) == []
    every = case("Without noise.", regions=(Region(WHOLE, noisy.hints), noisy))
    assert "noise is 20 at least" in judge.failing(every)[0]


def test_the_known_damage_decides_before_any_measurement():
    judge = RuleJudge(HintBounds())
    sentences = ("Noise.", "It is blurred.", "There is no blur.")
    assert list(judge.failing(case(*sentences, sample=labelled("noise")))) == [1]
    assert list(judge.failing(case(*sentences, sample=labelled(None)))) == [0, 1]


def test_dark_things_are_no_darkening_to_the_label():
    judge, shadows = RuleJudge(HintBounds()), Region(CORNER, replace(CALM, brightness=40))
    sentences = ("The dark trees frame the sky.", "It is too dark.")
    asked = case(*sentences, regions=(Region(WHOLE, CALM), shadows), sample=labelled("noise"))
    assert list(judge.failing(asked)) == [1]


def test_the_bounds_are_settings():
    assert 0 not in RuleJudge(HintBounds(noisy=0.4)).failing(case("Strong noise."))


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ('Thinking. <answer>{"fail": [2, 1, 2]}</answer>', [0, 1]),
        ('<answer>{"fail": []}</answer>', []),
        ('<answer>{"fail": [1]}</answer> no, <answer>{"fail": [3]}</answer>', [2]),
        ('<answer>{"fail": [4]}</answer>', None),
        ('<answer>{"fail": [0]}</answer>', None),
        ('<answer>{"fail": [true]}</answer>', None),
        ('<answer>{"fail": "2"}</answer>', None),
        ("<answer>[1]</answer>", None),
        ("I cannot say.", None),
        ("", None),
    ],
)
def test_a_verdict_is_read_or_it_is_none(text: str, numbers: list[int] | None):
    assert read_verdict(text, count=3) == numbers


def test_the_endpoint_judge_is_shown_measurements_label_and_numbered_sentences():
    policy = ScriptedPolicy(lambda conversation: '<answer>{"fail": [2]}</answer>')
    judge = EndpointJudge(policy, load_prompts(), seed=0)
    asked = case("First {hints}.", "Second.", sample=labelled("blur"))
    assert list(judge.failing(asked) or {}) == [1]
    conversation: Conversation = policy.seen[0][0]
    words = conversation.user_turns[0].text
    assert "1. First {hints}.\n2. Second." in words
    assert "Known label: blur, obvious, in the whole of the picture." in words
    assert "- sharpness (0 blurred to 1 sharp): .60 in the whole picture" in words
    silent = EndpointJudge(ScriptedPolicy(lambda conversation: Reply("")), load_prompts(), seed=0)
    assert silent.failing(asked) is None


def test_hints_say_where_a_measurement_is_lowest_and_highest():
    cells = (Region(CORNER, replace(CALM, noise=9.0)), Region((2 / 3, 2 / 3, 1.0, 1.0), replace(CALM, noise=0.1)))
    text = hints_text((Region(WHOLE, CALM), *cells))
    noise = next(line for line in text.splitlines() if line.startswith("- noise"))
    assert noise.endswith("lowest 0 at the bottom right, highest 9 at the top left")
    assert place(Region(WHOLE, CALM)) == "middle centre"
    assert label_text(labelled(None)).endswith("nothing was done to this picture.")


def test_a_prompt_that_lacks_its_place_is_refused():
    with pytest.raises(ConfigError, match=r"lacks \{sentences\}"):
        Prompts(judge="{hints} {label}")
