"""The messages of an episode are those that the protocol describes, part for part, in both layouts."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.processors import build_pocket_processor
from loupe.core.policy import Conversation, Reply, UserTurn
from loupe.core.protocol import Protocol, load_protocol
from loupe.zoom.layout import next_look, opening
from loupe.zoom.loop import LoopInput, Played, play
from loupe.zoom.scripted import ScriptedPolicy

IMAGE, CROP, OTHER = (Image.new("RGB", (56, 56), (shade, 0, 0)) for shade in (1, 2, 3))
ASK = '<think>Unsure.</think><answer>{"bbox_2d": [0.5, 0.5, 1.0, 1.0], "rating": 2.50, "tool": "crop"}</answer>'
END = '<think>Sure.</think><answer>{"bbox_2d": [0, 0, 0, 0], "rating": 3.00, "tool": "final"}</answer>'
UPSTREAM = """
base: zoom-iqa
name: upstream
question: 'Look closely. {"keys": [1]} USER: {question}{image}'
questions: ['Good?', 'Bad?']
crop_question: &second 'Look again at {question} with {{"keys": [1]}}.Original image: {image}Cropped Image: {crop}'
final_question: *second
"""
"""The message structure of a released checkpoint, with words of ours in place of its own."""


@pytest.fixture(scope="module")
def encoder() -> ChatEncoder:
    return ChatEncoder(build_pocket_processor())


@pytest.fixture
def upstream(tmp_path: Path) -> Protocol:
    path = tmp_path / "upstream.yaml"
    path.write_text(UPSTREAM)
    return load_protocol(str(path))


def laid_out(encoder: ChatEncoder, conversation: Conversation) -> str:
    """What the model reads, an image as one place."""
    text = encoder.tokenizer.decode(encoder.encode(conversation).input_ids)
    while "<|image_pad|><|image_pad|>" in text:
        text = text.replace("<|image_pad|><|image_pad|>", "<|image_pad|>")
    return text


def templated(encoder: ChatEncoder, messages: list[dict[str, Any]]) -> str:
    template = encoder.processor.chat_template
    return encoder.tokenizer.apply_chat_template(
        messages, chat_template=template, tokenize=False, add_generation_prompt=True
    )


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


PICTURE = {"type": "image"}


def test_the_two_rounds_of_a_released_checkpoint_are_its_messages_part_for_part(
    encoder: ChatEncoder, upstream: Protocol
) -> None:
    seen: list[str] = []

    def say(conversation: Conversation) -> str:
        seen.append(laid_out(encoder, conversation))
        return END if conversation.replies else ASK

    play(ScriptedPolicy(say), [LoopInput("a", "a", IMAGE)], upstream)
    question = upstream.phrased("{question}", "a")
    assert question in ("Good?", "Bad?")
    first = [{"role": "user", "content": [text('Look closely. {"keys": [1]} USER: ' + question), PICTURE]}]
    second = [
        {"role": "user", "content": [text(question)]},
        {"role": "assistant", "content": [text(ASK)]},
        {
            "role": "user",
            "content": [
                # As it stands in the file: nothing is filled in, braces stay doubled.
                text('Look again at {question} with {{"keys": [1]}}.'),
                text("Original image: "),
                PICTURE,
                text("Cropped Image: "),
                PICTURE,
            ],
        },
    ]
    assert seen == [templated(encoder, first), templated(encoder, second)]


def test_segments_begin_anew_and_recall_the_reply_before(upstream: Protocol) -> None:
    (played,) = play(ScriptedPolicy({"a": [ASK, END]}), [LoopInput("a", "a", IMAGE)], upstream)
    first, second = played.conversations
    assert [reply.text for reply in first.replies] == [ASK] and first.recalled == 0
    assert [reply.text for reply in second.replies] == [ASK, END] and second.recalled == 1
    assert [len(turn.images) for turn in second.user_turns] == [0, 2]
    assert second.user_turns[1].images[0] is IMAGE
    assert len(played.episode.turns) == 2


def test_a_recalled_reply_is_not_the_agent_s_own_here(encoder: ChatEncoder, upstream: Protocol) -> None:
    (played,) = play(ScriptedPolicy({"a": [ASK, END]}), [LoopInput("a", "a", IMAGE)], upstream)
    encoded = encoder.encode(played.conversations[1])
    own = [token for token, wrote in zip(encoded.input_ids, encoded.wrote, strict=True) if wrote]
    assert encoder.tokenizer.decode(own) == f"{END}<|im_end|>"


def test_append_is_one_growing_conversation() -> None:
    protocol = Protocol(question="q", final_question="f", max_rounds=2)
    begun = opening(protocol, [IMAGE], key="k", sample_id="s")
    begun.replies.append(Reply("more"))
    grown = next_look(begun, protocol, CROP, image=IMAGE, sample_id="s", turn=1)
    assert grown is begun and begun.recalled == 0
    assert [turn.parts for turn in grown.user_turns] == [[IMAGE, "q"], [CROP, "f"]]


def test_the_way_to_ask_belongs_to_the_image_and_to_nothing_else() -> None:
    protocol = Protocol(question="<{question}>", questions=[str(number) for number in range(5)])
    ids = [f"image-{number}" for number in range(200)]
    asked = [protocol.phrased(protocol.question, name) for name in ids]
    assert asked == [protocol.phrased(protocol.question, name) for name in ids]
    counts = [asked.count(f"<{number}>") for number in range(5)]
    assert sum(counts) == 200 and min(counts) > 20


def test_images_stand_where_the_text_says() -> None:
    protocol = Protocol(question="Reference {image3} A {image} B {image2}: which?")
    turn = opening(protocol, [IMAGE, CROP, OTHER], key="k", sample_id="s").user_turns[0]
    assert turn.parts == ["Reference ", OTHER, " A ", IMAGE, " B ", CROP, ": which?"]


@pytest.mark.parametrize(("images", "match"), [([IMAGE], "image2"), ([IMAGE, CROP, OTHER], "shows 2 images")])
def test_a_protocol_that_shows_other_images_than_there_are_is_refused(images: list[Image.Image], match: str) -> None:
    with pytest.raises(DataError, match=match):
        opening(Protocol(question="{image}{image2}?"), images, key="k", sample_id="s")


def test_a_text_without_marks_stands_behind_its_images() -> None:
    assert UserTurn((IMAGE, CROP), "both").parts == [IMAGE, CROP, "both"]


def test_a_protocol_file_holds_what_differs_from_its_base(tmp_path: Path) -> None:
    base = load_protocol("zoom-iqa")
    (tmp_path / "mine.yaml").write_text("base: zoom-iqa\nname: mine\nmax_new_tokens: 7\ncrop: {min_share: 0.5}\n")
    mine = load_protocol(str(tmp_path / "mine.yaml"))
    assert (mine.name, mine.max_new_tokens, mine.question) == ("mine", 7, base.question)
    assert (mine.crop.min_share, mine.crop.resize) == (0.5, "fit")
    (tmp_path / "words.yaml").write_text("question: Well? {question}\n")
    assert load_protocol("zoom-iqa", prompts=str(tmp_path / "words.yaml")).question == "Well? {question}"


def test_a_base_that_goes_round_in_circles_is_refused(tmp_path: Path) -> None:
    for name, base in (("a", "b"), ("b", "a")):
        (tmp_path / f"{name}.yaml").write_text(f"base: {tmp_path}/{base}.yaml\n")
    with pytest.raises(ConfigError, match="based on itself"):
        load_protocol(str(tmp_path / "a.yaml"))
    (tmp_path / "c.yaml").write_text("base: nowhere\n")
    with pytest.raises(MissingFileError, match="nowhere"):
        load_protocol(str(tmp_path / "c.yaml"))


def test_the_built_in_zoom_iqa_crops_as_the_released_evaluator_does() -> None:
    from loupe.zoom.crop import PRESETS

    assert load_protocol("zoom-iqa").crop == PRESETS["zoom-iqa"]
    assert load_protocol("zoom").crop == PRESETS["loupe"]


def played_with(protocol: Protocol, *lines: str, **bounds: Any) -> Played:
    from dataclasses import replace

    item = LoopInput("a", "a", Image.new("RGB", (224, 224)))
    return play(ScriptedPolicy({"a": list(lines)}), [item], replace(protocol, **bounds))[0]


def test_an_episode_is_bounded_in_pixels_and_what_is_shown_again_counts() -> None:
    brief, apart = load_protocol("zoom-brief"), load_protocol("zoom-iqa")
    # 224 x 224 and a crop of 112 x 112; the other protocol shows the image again, and its crop fills the image.
    for protocol, pixels in ((brief, 224 * 224 + 112 * 112), (apart, 3 * 224 * 224)):
        assert len(played_with(protocol, ASK, END, max_pixels=pixels).episode.turns) == 2
        cut = played_with(protocol, ASK, END, max_pixels=pixels - 1).episode
        assert (cut.stop_reason.value, len(cut.turns)) == ("pixel_limit", 1)
        assert cut.verdict is not None and cut.verdict.answer.rating == 2.5


def test_an_episode_is_bounded_in_tokens() -> None:
    asks = Reply(ASK, token_ids=tuple(range(30)))
    seen = ScriptedPolicy({"a": [asks, END]})
    item = LoopInput("a", "a", Image.new("RGB", (224, 224)))
    from dataclasses import replace

    protocol = replace(load_protocol("zoom-brief"), max_total_tokens=40)
    play(seen, [item], protocol)
    assert [call[0].max_new_tokens for call in seen.seen] == [40, 10]
    (cut,) = play(ScriptedPolicy({"a": [asks]}), [item], replace(protocol, max_total_tokens=30))
    assert cut.episode.stop_reason.value == "token_limit" and len(cut.episode.turns) == 1


def test_controls_are_exactly_as_large_as_what_was_asked_for_also_in_a_corner() -> None:
    from random import Random

    from loupe.core.answer import Answer
    from loupe.zoom.look import Look
    from loupe.zoom.wish import answer_to

    policy, asks = load_protocol("zoom-iqa").crop, Answer(bbox_2d=(0.0, 0.0, 0.1, 0.1), wants_crop=True)
    for look in (Look.RANDOM, Look.CENTRE):
        for seed in range(20):
            shown = answer_to(asks, (1024, 768), policy, look=look, truth=None, rng=Random(seed))
            assert shown is not None
            x1, y1, x2, y2 = shown.region
            assert (x2 - x1, y2 - y1) == (307, 229) and x1 >= 0 and y1 >= 0 and x2 <= 1024 and y2 <= 768


@pytest.mark.parametrize(
    ("fields", "match"),
    [
        ({"question": "see {crop}"}, "a first look has none"),
        ({"final_question": "{image} again"}, "not {crop}"),
        ({"asks": ["rating", "foo"]}, "foo"),
        ({"max_new_tokens": 0}, "max_new_tokens"),
        ({"layout": "spiral"}, "spiral"),
        ({"recalled_question": "{question}"}, "ways to put it"),
    ],
)
def test_a_protocol_that_could_not_be_played_is_refused(fields: dict[str, Any], match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        Protocol(**fields)


def test_a_base_beside_its_file_is_found_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("base: zoom-brief\nname: mine\n")
    (tmp_path / "derived.yaml").write_text("base: mine.yaml\nmax_new_tokens: 9\n")
    derived = load_protocol(str(tmp_path / "derived.yaml"))
    assert (derived.name, derived.max_new_tokens, derived.question) == ("mine", 9, load_protocol("zoom-brief").question)
    # A file of prompts with a base of its own is a protocol of its own.
    assert load_protocol("zoom-iqa", prompts=str(tmp_path / "derived.yaml")) == derived
