"""The loop that plays episodes: an agent looks, answers, asks for a crop, looks again, for a bounded number of rounds.

One and the same loop serves training, evaluation and single photographs; who answers is a `Policy`, and in each round
all episodes that are still going on are handed to it in one call. The layout is `append`: one growing conversation in
which a crop comes back as the next user turn. Layout and rules are ours; the bounds of a crop lie in `loupe.zoom.crop`.

Rules, in this order, for the answer of a turn:
1. An answer that cannot be used ends the episode (TRUNCATED where the token limit cut it, else UNUSABLE); the verdict
   is then the last turn with a rating.
2. No wish for a crop ends it: FINAL. The same where zooming is forbidden, whatever the agent wishes.
3. A wish for a crop in the last look that the protocol allows ends it: ROUND_LIMIT. Its rating counts.
4. A wish that would show nothing new (a region asked for or shown before) is refused and ends it: FINAL.
5. Else the crop is shown. A turn that asks for one is never the last word; its rating stays in the record as interim.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from PIL import Image

from loupe.core.answer import Answer, parse, plain
from loupe.core.errors import ConfigError, DataError, ModelError
from loupe.core.policy import Conversation, Policy, Reply, UserTurn
from loupe.core.protocol import Protocol
from loupe.core.records import WHOLE, Box, Episode, StopReason, Turn
from loupe.zoom.crop import DEFAULT_POLICY, CropPolicy, PixelBox, as_box, crop_region
from loupe.zoom.look import Look, box_to_show

CENTRE: Box = (0.25, 0.25, 0.75, 0.75)
"""What is shown to an agent whose wish for a crop names no box that can be read, as the dialect zoom-iqa allows."""


@dataclass(frozen=True, slots=True)
class LoopInput:
    """One image to judge once. `key` is unique in a call and names the attempt, for example "id#sample".

    `image` is RGB. `truth` is the damaged region, None where it is unknown or there is none; only Look.TRUTH reads it.
    `others` are shown behind the image and never cropped, as for a comparison; `protocol` takes the place of the
    call's.
    """

    key: str
    sample_id: str
    image: Image.Image
    truth: Box | None = None
    others: tuple[Image.Image, ...] = ()
    protocol: Protocol | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """An episode, and the conversation that it was: what a trainer turns into tokens."""

    episode: Episode
    conversation: Conversation


@dataclass(frozen=True, slots=True)
class _Rules:
    look: Look
    crop_policy: CropPolicy
    seed: int


@dataclass(slots=True)
class _Run:
    """An episode that is going on. `seen` holds every region asked for or shown so far."""

    source: LoopInput
    protocol: Protocol
    conversation: Conversation
    seen: set[PixelBox]
    view: Box = WHOLE
    turns: list[Turn] = field(default_factory=list[Turn])
    stop: StopReason | None = None


def play(
    policy: Policy,
    images: Sequence[LoopInput],
    protocol: Protocol,
    *,
    look: Look = Look.DECIDED,
    crop_policy: CropPolicy = DEFAULT_POLICY,
    seed: int = 0,
) -> list[Played]:
    """Plays one episode per input, in order; each has 1 to `protocol.max_rounds` turns.

    What happens to an input depends on its key, its image and the seed, never on its neighbours in the batch, as long
    as the policy keeps to the same rule. Raises ConfigError for a protocol without rounds, DataError for repeated keys,
    ModelError for a policy that does not give one reply a conversation.
    """
    _check(images, protocol)
    rules = _Rules(look, crop_policy, seed)
    runs = [_open(source, source.protocol or protocol, look=look) for source in images]
    while active := [run for run in runs if run.stop is None]:
        replies = policy.respond([run.conversation for run in active], seed=seed)
        if len(replies) != len(active):
            raise ModelError(f"got {len(replies)} replies to {len(active)} conversations; wanted one each, in order")
        for run, reply in zip(active, replies, strict=True):
            _advance(run, reply, rules)
    return [_close(run) for run in runs]


def _check(images: Sequence[LoopInput], protocol: Protocol) -> None:
    for asked in (protocol, *(source.protocol for source in images if source.protocol is not None)):
        if asked.max_rounds < 1:
            raise ConfigError(f"protocol {asked.name!r}: got max_rounds {asked.max_rounds}; wanted at least 1")
    keys = [source.key for source in images]
    if len(set(keys)) != len(keys):
        twice = next(key for index, key in enumerate(keys) if key in keys[:index])
        raise DataError(f"got the key {twice!r} twice in one call; wanted one key an attempt, for example {twice}#1")


def _open(source: LoopInput, protocol: Protocol, *, look: Look) -> _Run:
    text = protocol.no_zoom_question if look is Look.NEVER else protocol.question
    shown = UserTurn((source.image, *source.others), text)
    conversation = Conversation(source.key, protocol.system, [shown], max_new_tokens=protocol.max_new_tokens)
    return _Run(source, protocol, conversation, seen={(0, 0, source.image.width, source.image.height)})


def _advance(run: _Run, reply: Reply, rules: _Rules) -> None:
    answer = plain(parse(reply.text, dialect=run.protocol.dialect))
    run.conversation.replies.append(reply)
    run.turns.append(
        Turn(
            view=run.view,
            text=reply.text,
            answer=answer,
            tokens=len(reply.token_ids),
            seconds=reply.seconds,
            truncated=reply.truncated,
            expected_rating=reply.expected_rating,
        )
    )
    if not answer.usable:
        run.stop = StopReason.TRUNCATED if reply.truncated else StopReason.UNUSABLE
    elif rules.look is Look.NEVER or not answer.wants_crop:
        run.stop = StopReason.FINAL
    elif len(run.turns) >= run.protocol.max_rounds:
        run.stop = StopReason.ROUND_LIMIT
    elif (region := _new_region(run, answer, rules)) is None:
        run.stop = StopReason.FINAL
    else:
        _show(run, region)


def _new_region(run: _Run, answer: Answer, rules: _Rules) -> PixelBox | None:
    """Region to show next, None where the wish is refused because there is nothing new in it."""
    width, height = run.source.image.size
    asked = crop_region(answer.bbox_2d or CENTRE, width, height, policy=rules.crop_policy)
    rng = Random(f"{rules.seed}/{run.source.key}/{len(run.turns)}")
    box = box_to_show(rules.look, as_box(asked, width, height), truth=run.source.truth, rng=rng)
    shown = crop_region(box, width, height, policy=rules.crop_policy)
    if asked in run.seen or shown in run.seen:
        return None
    run.seen |= {asked, shown}
    return shown


def _show(run: _Run, region: PixelBox) -> None:
    image, protocol = run.source.image, run.protocol
    is_last = len(run.turns) + 1 == protocol.max_rounds
    text = protocol.final_question if is_last else protocol.crop_question
    run.view = as_box(region, image.width, image.height)
    run.conversation.user_turns.append(UserTurn((image.crop(region),), text))


def _close(run: _Run) -> Played:
    assert run.stop is not None  # the loop goes on until every run has stopped
    return Played(Episode(run.source.sample_id, tuple(run.turns), run.stop), run.conversation)
