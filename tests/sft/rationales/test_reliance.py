import pytest

from loupe.core.answer import Answer
from loupe.core.model.endpoint_reply import EndpointReply
from loupe.core.policy import Reply
from loupe.core.protocol import Protocol, load_protocol
from loupe.core.records import WHOLE, Episode, StopReason, Turn
from loupe.sft.rationales.config import RelianceConfig
from loupe.sft.rationales.prompts import load_prompts
from loupe.sft.rationales.reliance import Difference, RelianceFilter, difference, needed_pixels
from loupe.zoom.scripted import ScriptedPolicy

SAME = Difference(iou=1.0, same_tool=True, rating_gap=0.0, entropy_gap=0.0)
THINK = "Summary: Soft.\nDirections: Crisp.\nIssues: A blur.\nDecision: Hard to tell."
BODY = '{"bbox_2d": [0.1, 0.1, 0.6, 0.6], "rating": 2.50, "tool": "crop"}'
BOX = (0.1, 0.1, 0.6, 0.6)


def episode() -> Episode:
    answer = Answer(rating=2.5, bbox_2d=BOX, tool="crop", think=THINK, well_formed=True, wants_crop=True)
    text = f"<think>{THINK}</think><answer>{BODY}</answer>"
    return Episode("a", (Turn(WHOLE, text, answer, 0, 0.0),), StopReason.FINAL)


def checked(said: str | Reply, *, entropy: float | None = None, **fields: float) -> tuple[dict, ScriptedPolicy]:
    protocol, policy = load_protocol("zoom-iqa"), ScriptedPolicy(lambda conversation: said)
    made = RelianceFilter(policy, protocol, load_prompts(), RelianceConfig(**fields), 0)  # type: ignore[arg-type]
    return made.check(episode(), entropy, told=protocol, size=(100, 100), key="a#0/blind"), policy


def test_the_beginning_is_shown_without_the_decision_and_without_a_picture():
    _, policy = checked(f"Decision: x.</think><answer>{BODY}</answer>")
    conversation = policy.seen[0][0]
    assert [turn.images for turn in conversation.user_turns] == [()]
    words = conversation.user_turns[0].text
    assert "Issues: A blur." in words
    assert "Hard to tell" not in words
    assert "2.50" not in words
    assert "\N{OBJECT REPLACEMENT CHARACTER}" not in words and "{image}" not in words


def test_a_decision_that_is_made_again_without_the_picture_did_not_need_it():
    row, _ = checked(f"Decision: x.</think><answer>{BODY}</answer>")
    assert row["passed"] is False
    assert row["signs"] == {"box": False, "tool": False, "rating": False}
    assert row["difference"] == {"iou": 1.0, "same_tool": True, "rating_gap": 0.0, "entropy_gap": None}


@pytest.mark.parametrize(
    ("body", "sign"),
    [
        ('{"bbox_2d": [0.6, 0.6, 0.9, 0.9], "rating": 2.5, "tool": "crop"}', "box"),
        ('{"bbox_2d": [0.1, 0.1, 0.6, 0.6], "rating": 3.2, "tool": "crop"}', "rating"),
    ],
)
def test_each_sign_is_enough_where_one_is_asked_for(body: str, sign: str):
    row, _ = checked(f"Decision: x.</think><answer>{body}</answer>")
    assert row["passed"] is True
    assert [name for name, differs in row["signs"].items() if differs] == [sign]
    strict, _ = checked(f"Decision: x.</think><answer>{body}</answer>", min_signs=2)
    assert strict["passed"] is False


def test_finishing_instead_of_a_crop_changes_tool_and_box():
    row, _ = checked('Decision: x.</think><answer>{"bbox_2d": [0,0,0,0], "rating": 2.5, "tool": "final"}</answer>')
    assert row["signs"] == {"box": True, "tool": True, "rating": False}


def test_a_continuation_may_forget_a_tag_or_write_the_whole_again():
    for said in (f"Decision: x.\n<answer>{BODY}</answer>", f"<think>{THINK}</think><answer>{BODY}</answer>"):
        assert checked(said)[0]["passed"] is False


@pytest.mark.parametrize("said", ["I see no picture.", "", Reply("", truncated=True)])
def test_a_continuation_that_cannot_be_read_reproduces_nothing_and_says_so(said: str | Reply):
    row, _ = checked(said)
    assert row["passed"] is True
    assert row["problem"].startswith("no continuation")


def test_entropy_counts_only_where_both_are_known():
    text = f"Decision: x.</think><answer>{BODY}</answer>"
    unsure = EndpointReply(text, offsets=(0, 5), entropies=(0.9, 0.7))
    row, _ = checked(unsure, entropy=0.1)
    assert row["difference"]["entropy_gap"] == pytest.approx(0.7)
    assert row["passed"] is True
    assert checked(unsure, entropy=0.7)[0]["passed"] is False
    assert "entropy" not in checked(unsure, entropy=None)[0]["signs"]


def test_signs_are_counted_and_never_more_than_can_be_measured():
    three = Difference(iou=0.1, same_tool=False, rating_gap=2.0, entropy_gap=None)
    assert needed_pixels(three, RelianceConfig(min_signs=4))
    with_entropy = Difference(iou=0.1, same_tool=False, rating_gap=2.0, entropy_gap=0.0)
    assert not needed_pixels(with_entropy, RelianceConfig(min_signs=4))
    assert not needed_pixels(SAME, RelianceConfig(min_signs=1))


def test_thresholds_are_exact_at_their_edges():
    config = RelianceConfig(max_iou=0.5, min_rating_gap=0.5, min_entropy_gap=0.2)
    assert Difference(0.5, True, 0.0, None).signs(config)["box"] is False
    assert Difference(0.4999, True, 0.0, None).signs(config)["box"] is True
    assert Difference(None, True, 0.5, 0.2).signs(config) == {
        "box": False,
        "tool": False,
        "rating": True,
        "entropy": True,
    }


def test_no_box_on_either_side_is_nothing_to_compare():
    final = Answer(rating=3.0, tool="final")
    assert difference(final, final, boxes=(None, None), entropies=(None, None)).iou is None
    assert difference(final, final, boxes=(None, BOX), entropies=(None, None)).iou == 0.0


def test_a_rationale_without_a_beginning_cannot_be_checked():
    bare = Answer(rating=2.5, tool="final", think="One sentence.", well_formed=True)
    only = Episode(
        "a", (Turn(WHOLE, "<think>One sentence.</think><answer>{}</answer>", bare, 0, 0.0),), StopReason.FINAL
    )
    protocol = Protocol(dialect="loupe")
    policy = ScriptedPolicy(lambda conversation: "x")
    made = RelianceFilter(policy, protocol, load_prompts(), RelianceConfig(), 0)
    row = made.check(only, None, told=protocol, size=(100, 100), key="a#0/blind")
    assert (row["passed"], row["problem"], policy.calls) == (False, "nothing stands before the decision", 0)
