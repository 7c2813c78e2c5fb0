"""The loop: why an episode ends, what the agent is shown and asked, and that nothing depends on the batch."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from loupe.core.answer import answer_of, render
from loupe.core.box import area
from loupe.core.crop_policy import CropPolicy
from loupe.core.errors import ConfigError, DataError, ModelError
from loupe.core.policy import Conversation, Reply
from loupe.core.protocol import Protocol
from loupe.core.records import WHOLE, Box, Episode, StopReason
from loupe.zoom.look import Look
from loupe.zoom.loop import LoopInput, Played, play
from loupe.zoom.scripted import Line, ScriptedPolicy

PROTOCOL = Protocol(
    name="test",
    system="be brief",
    question="first?",
    crop_question="crop?",
    final_question="last crop?",
    no_zoom_question="no crop?",
    max_rounds=3,
)
LEFT: Box = (0.0, 0.0, 0.5, 0.5)
RIGHT: Box = (0.5, 0.0, 1.0, 0.5)
DAMAGE: Box = (0.5, 0.5, 1.0, 1.0)


def final(rating: float) -> str:
    return render(answer_of("seen", rating=rating, tool="final"))


def wish(rating: float, box: Box) -> str:
    return render(answer_of("unsure", rating=rating, bbox_2d=box, tool="crop"))


def picture(width: int = 224, height: int = 224) -> Image.Image:
    """Every quadrant has a colour of its own."""
    image = Image.new("RGB", (width, height), (0, 0, 0))
    image.paste((255, 0, 0), (0, 0, width // 2, height // 2))
    image.paste((0, 255, 0), (width // 2, 0, width, height // 2))
    image.paste((0, 0, 255), (width // 2, height // 2, width, height))
    return image


def play_one(
    *lines: Line, look: Look = Look.DECIDED, protocol: Protocol = PROTOCOL, truth: Box | None = None
) -> Played:
    item = LoopInput("a#0", "a", picture(), truth)
    return play(ScriptedPolicy({"a#0": lines}), [item], protocol, look=look)[0]


def ratings(episode: Episode) -> list[float | None]:
    return [turn.answer.rating for turn in episode.turns]


def texts(conversation: Conversation) -> list[str]:
    return [turn.text for turn in conversation.user_turns]


# Why an episode ends


def test_an_answer_without_a_wish_ends_the_episode_as_final() -> None:
    episode = play_one(final(3.0)).episode
    assert (episode.sample_id, episode.stop_reason, ratings(episode)) == ("a", StopReason.FINAL, [3.0])
    assert not episode.zoomed


def test_a_turn_that_asks_for_a_crop_is_not_the_last_word_but_its_rating_stays_in_the_record() -> None:
    episode = play_one(wish(2.0, LEFT), final(4.0)).episode
    assert episode.stop_reason is StopReason.FINAL
    assert ratings(episode) == [2.0, 4.0]
    assert episode.verdict is not None and episode.verdict.answer.rating == 4.0


def test_a_wish_in_the_last_look_ends_at_the_round_limit_and_its_rating_counts() -> None:
    episode = play_one(wish(2.0, LEFT), wish(2.5, RIGHT), wish(3.0, DAMAGE)).episode
    assert episode.stop_reason is StopReason.ROUND_LIMIT
    assert len(episode.turns) == 3
    assert episode.verdict is not None and episode.verdict.answer.rating == 3.0


def test_an_unusable_answer_ends_the_episode_and_the_verdict_falls_back() -> None:
    episode = play_one(wish(2.0, LEFT), "I would rather not say").episode
    assert episode.stop_reason is StopReason.UNUSABLE
    assert episode.verdict is episode.turns[0] and episode.kept_earlier


def test_an_unusable_first_answer_leaves_no_verdict() -> None:
    episode = play_one("<answer>{}</answer>").episode
    assert (episode.stop_reason, episode.verdict) == (StopReason.UNUSABLE, None)


def test_an_unusable_answer_that_was_cut_off_is_truncated() -> None:
    episode = play_one(Reply("<think>and then", token_ids=(1, 2, 3), truncated=True)).episode
    assert episode.stop_reason is StopReason.TRUNCATED
    assert episode.turns[0].tokens == 3 and episode.turns[0].truncated


def test_a_truncated_reply_with_a_usable_answer_counts_as_usable() -> None:
    episode = play_one(Reply(final(3.0) + " and furthermore", truncated=True)).episode
    assert (episode.stop_reason, ratings(episode)) == (StopReason.FINAL, [3.0])


def test_asking_for_the_same_region_again_is_refused_and_its_rating_counts() -> None:
    episode = play_one(wish(2.0, LEFT), wish(3.0, LEFT)).episode
    assert (episode.stop_reason, ratings(episode)) == (StopReason.REPEATED, [2.0, 3.0])
    assert episode.verdict is episode.turns[1] and not episode.kept_earlier


def test_a_crop_that_would_be_the_whole_small_image_again_is_refused() -> None:
    item = LoopInput("a", "a", Image.new("RGB", (20, 20)))
    episode = play(ScriptedPolicy({"a": [wish(2.0, LEFT)]}), [item], PROTOCOL)[0].episode
    assert (episode.stop_reason, len(episode.turns)) == (StopReason.REPEATED, 1)


def test_a_crop_tool_without_a_box_is_no_wish() -> None:
    assert play_one(render(answer_of(rating=3.0, tool="crop"))).episode.stop_reason is StopReason.FINAL


# What the agent is shown and asked


def test_the_agent_is_asked_the_words_of_the_protocol_in_their_order() -> None:
    played = play_one(wish(2.0, LEFT), wish(2.5, RIGHT), final(3.0))
    assert played.conversations[0].system == "be brief"
    assert texts(played.conversations[0]) == ["first?", "crop?", "last crop?"]
    assert [reply.text for reply in played.conversations[0].replies] == [turn.text for turn in played.episode.turns]


def test_with_two_rounds_the_first_crop_is_already_the_last_look() -> None:
    played = play_one(wish(2.0, LEFT), final(3.0), protocol=Protocol(question="q", final_question="f", max_rounds=2))
    assert texts(played.conversations[0]) == ["q", "f"]


def test_the_agent_sees_the_overview_first_and_then_the_pixels_that_it_asked_for() -> None:
    policy = ScriptedPolicy({"a": [wish(2.0, DAMAGE), final(3.0)]})
    item = LoopInput("a", "a", picture())
    play(policy, [item], PROTOCOL)
    first, second = policy.seen[0][0], policy.seen[1][0]
    assert first.user_turns[0].images[0] is item.image and first.replies == []
    assert second.user_turns[1].images[0].getcolors() == [(112 * 112, (0, 0, 255))]
    assert len(second.replies) == 1


def test_the_view_of_a_turn_is_the_region_that_was_really_shown() -> None:
    episode = play_one(wish(2.0, (0.0, 0.0, 0.1, 0.1)), final(3.0)).episode
    assert [turn.view for turn in episode.turns] == [WHOLE, LEFT]


def test_the_crop_policy_is_that_of_the_protocol() -> None:
    item = LoopInput("a", "a", picture())
    script = ScriptedPolicy({"a": [wish(2.0, LEFT), final(3.0)]})
    played = play(script, [item], replace(PROTOCOL, crop=CropPolicy(min_share=0.5, max_share=0.5)))[0]
    assert area(played.episode.turns[1].view) == pytest.approx(0.5, abs=0.01)


def test_seconds_tokens_and_expected_rating_of_a_reply_end_up_in_its_turn() -> None:
    turn = play_one(Reply(final(3.0), token_ids=(5, 6), seconds=0.25, expected_rating=3.2)).episode.turns[0]
    assert (turn.tokens, turn.seconds, turn.expected_rating) == (2, 0.25, 3.2)


def test_other_images_stand_behind_the_first_in_the_first_question_and_are_never_cropped() -> None:
    policy = ScriptedPolicy({"a": [wish(2.0, DAMAGE), final(3.0)]})
    others = (Image.new("RGB", (40, 30), (9, 9, 9)), Image.new("RGB", (300, 10), (8, 8, 8)))
    item = LoopInput("a", "a", picture(), others=others)
    (played,) = play(policy, [item], PROTOCOL)
    first, second = played.conversations[0].user_turns
    assert [id(image) for image in first.images] == [id(item.image), *map(id, others)]
    assert [image.getcolors() for image in second.images] == [[(112 * 112, (0, 0, 255))]]


def test_without_others_the_agent_is_shown_one_image() -> None:
    assert [len(turn.images) for turn in play_one(wish(2.0, LEFT), final(3.0)).conversations[0].user_turns] == [1, 1]


def test_the_protocol_of_an_input_takes_the_place_of_the_call_s() -> None:
    own = Protocol(name="own", system="be long", question="mine?", final_question="my crop?", max_rounds=2)
    items = [LoopInput("a", "a", picture(), protocol=own), LoopInput("b", "b", picture())]
    policy = ScriptedPolicy({"a": [wish(2.0, LEFT), wish(2.5, RIGHT)], "b": [wish(2.0, LEFT), final(3.0)]})
    mine, other = play(policy, items, PROTOCOL)
    assert (mine.conversations[0].system, texts(mine.conversations[0])) == ("be long", ["mine?", "my crop?"])
    assert (mine.episode.stop_reason, len(mine.episode.turns)) == (StopReason.ROUND_LIMIT, 2)
    assert (other.conversations[0].system, texts(other.conversations[0])) == ("be brief", ["first?", "crop?"])
    assert other.episode.stop_reason is StopReason.FINAL


def test_inputs_of_several_protocols_are_asked_in_one_call_and_none_hangs_on_another() -> None:
    own = [Protocol(name=str(rounds), question=f"q{rounds}", max_rounds=rounds) for rounds in (1, 2, 3)]
    items = [LoopInput(f"{one.name}-2", "a", picture(), protocol=one) for one in own]
    policy = ScriptedPolicy(eager)
    together = play(policy, items, PROTOCOL)
    assert [len(call) for call in policy.seen] == [3, 2, 1]
    assert [len(played.episode.turns) for played in together] == [1, 2, 3]
    alone = [play(ScriptedPolicy(eager), [item], own[0])[0] for item in items]
    assert [played.episode for played in together] == [played.episode for played in alone]


def test_the_protocol_of_an_input_says_in_which_dialect_it_answers() -> None:
    items = [
        LoopInput("a", "a", picture(), protocol=Protocol(dialect="visualquality-r1")),
        LoopInput("b", "b", picture()),
    ]
    one, other = play(ScriptedPolicy({"a": ["3.5"], "b": ["3.5"]}), items, PROTOCOL)
    assert (one.episode.stop_reason, ratings(one.episode)) == (StopReason.FINAL, [3.5])
    assert other.episode.stop_reason is StopReason.UNUSABLE


def test_never_asks_the_no_zoom_question_of_the_input_s_own_protocol() -> None:
    own = Protocol(question="mine?", no_zoom_question="mine, no crop?")
    item = LoopInput("a", "a", picture(), protocol=own)
    (played,) = play(ScriptedPolicy({"a": [wish(2.0, LEFT)]}), [item], PROTOCOL, look=Look.NEVER)
    assert texts(played.conversations[0]) == ["mine, no crop?"]


# The looks


def test_never_asks_the_no_zoom_question_and_ignores_a_wish() -> None:
    played = play_one(wish(2.0, LEFT), look=Look.NEVER)
    assert texts(played.conversations[0]) == ["no crop?"]
    assert (played.episode.stop_reason, ratings(played.episode)) == (StopReason.FINAL, [2.0])


def test_truth_shows_the_damaged_region_whatever_was_asked_for() -> None:
    episode = play_one(wish(2.0, LEFT), final(3.0), look=Look.TRUTH, truth=DAMAGE).episode
    assert episode.turns[1].view == DAMAGE


@pytest.mark.parametrize("truth", [None, WHOLE])
def test_truth_shows_what_was_asked_for_where_there_is_no_local_damage(truth: Box | None) -> None:
    assert play_one(wish(2.0, LEFT), final(3.0), look=Look.TRUTH, truth=truth).episode.turns[1].view == LEFT


def test_truth_has_nothing_new_to_show_a_second_time() -> None:
    episode = play_one(wish(2.0, LEFT), wish(3.0, RIGHT), look=Look.TRUTH, truth=DAMAGE).episode
    assert (episode.stop_reason, len(episode.turns)) == (StopReason.REPEATED, 2)


def random_views(key: str, *, seed: int, others: int = 0) -> list[Box]:
    policy = ScriptedPolicy(lambda talk: wish(2.0, LEFT if not talk.replies else RIGHT))
    names = [f"other{index}" for index in range(others)] + [key]
    items = [LoopInput(name, name, picture()) for name in names]
    return [turn.view for turn in play(policy, items, PROTOCOL, look=Look.RANDOM, seed=seed)[-1].episode.turns]


def test_random_shows_a_box_of_the_same_size_somewhere_else() -> None:
    _, second, third = random_views("a", seed=0)
    assert area(second) == area(third) == 0.25
    assert second not in (LEFT, third)


def test_the_random_box_hangs_on_seed_and_key_and_on_nothing_else() -> None:
    assert random_views("a", seed=0) == random_views("a", seed=0, others=5)
    assert random_views("a", seed=0) != random_views("a", seed=1)
    assert random_views("a", seed=0) != random_views("b", seed=0)


# The batch


def eager(conversation: Conversation) -> str:
    """Zooms as often as the last character of its key says."""
    turn = len(conversation.replies)
    return wish(2.0, (LEFT, RIGHT, DAMAGE)[turn]) if turn < int(conversation.key[-1]) else final(4.0)


def test_all_that_are_still_active_are_asked_in_one_call_a_round() -> None:
    policy = ScriptedPolicy(eager)
    play(policy, [LoopInput(key, key, picture()) for key in ("a2", "b0", "c1", "d0")], PROTOCOL)
    assert policy.calls == 3
    assert [[talk.key for talk in call] for call in policy.seen] == [["a2", "b0", "c1", "d0"], ["a2", "c1"], ["a2"]]


def test_an_episode_is_the_same_alone_and_in_company() -> None:
    items = [LoopInput(key, key, picture()) for key in ("a2", "b0", "c3", "d1")]
    together = [played.episode for played in play(ScriptedPolicy(eager), items, PROTOCOL)]
    alone = [play(ScriptedPolicy(eager), [item], PROTOCOL)[0].episode for item in items]
    assert together == alone


def test_no_images_are_no_episodes_and_no_calls() -> None:
    policy = ScriptedPolicy({})
    assert play(policy, [], PROTOCOL) == []
    assert policy.calls == 0


@pytest.mark.parametrize("rounds", [1, 2, 5])
def test_an_agent_that_always_wants_to_zoom_is_stopped(rounds: int) -> None:
    boxes: list[Box] = [(0.05 * step, 0.0, 0.5 + 0.05 * step, 0.5) for step in range(6)]
    policy = ScriptedPolicy(lambda talk: wish(3.0, boxes[len(talk.replies)]))
    protocol = Protocol(question="q", max_rounds=rounds)
    episode = play(policy, [LoopInput("a", "a", picture())], protocol)[0].episode
    assert (len(episode.turns), episode.stop_reason) == (rounds, StopReason.ROUND_LIMIT)


@settings(max_examples=50)
@given(st.lists(st.text(max_size=200), min_size=3, max_size=3), st.sampled_from(Look))
def test_garbage_is_kept_verbatim_and_never_raises(lines: list[str], look: Look) -> None:
    episode = play_one(*lines, look=look, truth=DAMAGE).episode
    assert 1 <= len(episode.turns) <= 3
    assert [turn.text for turn in episode.turns] == lines[: len(episode.turns)]


@given(
    st.lists(st.tuples(st.floats(1, 5), st.tuples(*[st.floats(0, 1)] * 4)), min_size=3, max_size=3),
    st.sampled_from(Look),
)
def test_whatever_boxes_are_asked_for_views_lie_inside_and_rounds_are_bounded(
    turns: list[tuple[float, Box]], look: Look
) -> None:
    lines = [
        f'<answer>{{"rating": {rating}, "bbox_2d": {list(box)}, "tool": "crop"}}</answer>' for rating, box in turns
    ]
    episode = play_one(*lines, look=look, truth=DAMAGE).episode
    assert len(episode.turns) <= PROTOCOL.max_rounds
    for turn in episode.turns:
        x1, y1, x2, y2 = turn.view
        assert 0.0 <= x1 < x2 <= 1.0 and 0.0 <= y1 < y2 <= 1.0
    assert Episode.from_json(episode.to_json()) == episode


# What is refused at the door


def test_two_inputs_of_one_key_are_refused() -> None:
    item = LoopInput("a", "a", picture())
    with pytest.raises(DataError, match="'a' twice"):
        play(ScriptedPolicy({}), [item, item], PROTOCOL)


def test_a_protocol_without_rounds_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_rounds 0"):
        play_one(final(3.0), protocol=Protocol(max_rounds=0))


def test_an_input_s_own_protocol_without_rounds_is_refused() -> None:
    item = LoopInput("a", "a", picture(), protocol=Protocol(name="own", max_rounds=0))
    with pytest.raises(ConfigError, match="protocol 'own': got max_rounds 0"):
        play(ScriptedPolicy({}), [item], PROTOCOL)


def test_a_policy_that_loses_a_reply_is_an_error() -> None:
    class Forgetful(ScriptedPolicy):
        def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
            return super().respond(conversations, seed=seed)[1:]

    with pytest.raises(ModelError, match="got 0 replies to 1 conversations"):
        play(Forgetful({"a": [final(3.0)]}), [LoopInput("a", "a", picture())], PROTOCOL)


# Dialects


def test_the_protocol_says_in_which_dialect_an_answer_is_read() -> None:
    clean = '<think>\nok\n</think>\n<answer>\n{"rating": 4, "distortion_class": "null", "severity": "null"}\n</answer>'
    answer = play_one(clean, protocol=Protocol(dialect="q-insight")).episode.turns[0].answer
    assert (answer.rating, answer.distortion_class, answer.severity, answer.well_formed) == (4.0, None, None, True)
    assert play_one("3.5", protocol=Protocol(dialect="visualquality-r1")).episode.turns[0].answer.rating == 3.5
    assert play_one("3.5").episode.stop_reason is StopReason.UNUSABLE


def test_a_wish_for_a_crop_without_a_readable_box_shows_the_centre() -> None:
    asks = '<answer>{"bbox_2d": "there", "rating": 3, "tool": "crop"}</answer>'
    ends = '<answer>{"bbox_2d": [0, 0, 0, 0], "rating": 2, "tool": "final"}</answer>'
    episode = play_one(asks, ends, protocol=unreadable("central")).episode
    assert [turn.view for turn in episode.turns] == [WHOLE, (0.25, 0.25, 0.75, 0.75)]


def test_or_it_ends_the_episode_with_the_rating_or_without_it_as_the_protocol_says() -> None:
    asks = '<answer>{"bbox_2d": "there", "rating": 3, "tool": "crop"}</answer>'
    kept = play_one(asks, protocol=unreadable("keep-rating")).episode
    assert kept.stop_reason is StopReason.BAD_BOX
    assert kept.verdict is not None and kept.verdict.answer.rating == 3.0
    thrown = play_one(asks, protocol=unreadable("reject")).episode
    assert (thrown.stop_reason, thrown.verdict) == (StopReason.UNUSABLE, None)
    assert "cannot be read" in str(thrown.turns[0].answer.problem)


def unreadable(fallback: str) -> Protocol:
    return Protocol(dialect="zoom-iqa", crop=CropPolicy(fallback=fallback, zero_is_none=True))


def test_a_dialect_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ConfigError, match="klingon"):
        Protocol(dialect="klingon")
