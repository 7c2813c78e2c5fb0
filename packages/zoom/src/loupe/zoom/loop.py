"""The loop that plays episodes: an agent looks, answers, asks for a crop, looks again, for a bounded number of rounds.

One and the same loop serves training, evaluation and single photographs; who answers is a `Policy`, and in each round
all episodes that are still going on are handed to it in one call. Messages are laid out by `loupe.zoom.layout`, boxes
become crops by `loupe.zoom.wish`. An episode is bounded in rounds, and so in crops, and where the protocol says so in
tokens and in pixels. The rules are ours.

Rules, in this order, for the answer of a turn:
1. An answer that cannot be used ends the episode (TRUNCATED where the token limit cut it, else UNUSABLE); the verdict
   is then the last turn with a rating, if there is one.
2. No wish for a crop ends it: FINAL. The same where zooming is forbidden, whatever the agent wishes.
3. A turn that gives a rating and asks for a crop is a wish: the crop is shown, and the rating stays in the record as
   interim. It is the last word only where the wish is refused, which ends the episode: ROUND_LIMIT in the last look
   that the protocol allows, TOKEN_LIMIT, BAD_BOX, REPEATED for a region asked for or shown before, PIXEL_LIMIT.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from random import Random

from PIL import Image

from loupe.core.answer import parse, plain
from loupe.core.errors import ConfigError, DataError, ModelError
from loupe.core.policy import Conversation, Policy, Reply
from loupe.core.protocol import Protocol
from loupe.core.records import WHOLE, Box, Episode, StopReason, Turn
from loupe.zoom.box import meant
from loupe.zoom.crop import PixelBox
from loupe.zoom.layout import next_look, opening
from loupe.zoom.look import Look
from loupe.zoom.wish import Shown, answer_to


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
    """An episode, and the conversations that it was: what a trainer turns into tokens. There is one in the layout
    append, and one a turn in the layout segments."""

    episode: Episode
    conversations: tuple[Conversation, ...]


@dataclass(slots=True)
class _Run:
    """An episode that is going on. `seen` holds every region asked for or shown so far, `pixels` counts what was."""

    source: LoopInput
    protocol: Protocol
    conversations: list[Conversation]
    seen: set[PixelBox]
    pixels: int
    view: Box = WHOLE
    turns: list[Turn] = field(default_factory=list[Turn])
    stop: StopReason | None = None

    @property
    def tokens_left(self) -> int | None:
        """Tokens that the agent may still write; None where nothing bounds them but its turns."""
        limit = self.protocol.max_total_tokens
        return None if limit == 0 else limit - sum(turn.tokens for turn in self.turns)


def play(
    policy: Policy, images: Sequence[LoopInput], protocol: Protocol, *, look: Look = Look.DECIDED, seed: int = 0
) -> list[Played]:
    """Plays one episode per input, in order; each has 1 to `protocol.max_rounds` turns.

    What happens to an input depends on its key, its image and the seed, never on its neighbours in the batch, as long
    as the policy keeps to the same rule. Raises ConfigError for a protocol without rounds, DataError for repeated keys
    and for an input that lacks an image of the protocol, ModelError for a policy that does not give one reply a
    conversation.
    """
    _check(images, protocol)
    runs = [_open(source, source.protocol or protocol, look=look) for source in images]
    while active := [run for run in runs if run.stop is None]:
        replies = policy.respond([run.conversations[-1] for run in active], seed=seed)
        if len(replies) != len(active):
            raise ModelError(f"got {len(replies)} replies to {len(active)} conversations; wanted one each, in order")
        for run, reply in zip(active, replies, strict=True):
            _advance(run, reply, look=look, seed=seed)
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
    shown = (source.image, *source.others)
    conversation = opening(protocol, shown, key=source.key, sample_id=source.sample_id, zoom=look is not Look.NEVER)
    seen = {(0, 0, source.image.width, source.image.height)}
    run = _Run(source, protocol, [conversation], seen, sum(image.width * image.height for image in shown))
    _bound_tokens(run)
    return run


def _advance(run: _Run, reply: Reply, *, look: Look, seed: int) -> None:
    protocol, size = run.protocol, run.source.image.size
    written = plain(parse(reply.text, dialect=protocol.dialect, box_limit=protocol.box_limit))
    box = None if written.bbox_2d is None else meant(written.bbox_2d, *size, policy=protocol.crop)
    turn = Turn(
        view=run.view,
        text=reply.text,
        answer=replace(written, bbox_2d=box),
        tokens=reply.tokens,
        seconds=reply.seconds,
        truncated=reply.truncated,
        expected_rating=reply.expected_rating,
    )
    run.conversations[-1].replies.append(reply)
    run.turns.append(turn)
    wants_crop = written.wants_crop or (look is Look.FORCED and len(run.turns) == 1)
    if not written.usable:
        run.stop = StopReason.TRUNCATED if reply.truncated else StopReason.UNUSABLE
    elif look is Look.NEVER or not wants_crop:
        run.stop = StopReason.FINAL
    elif len(run.turns) >= protocol.max_rounds:
        run.stop = StopReason.ROUND_LIMIT
    elif run.tokens_left is not None and run.tokens_left < 1:
        run.stop = StopReason.TOKEN_LIMIT
    else:
        rng = Random(f"{seed}/{run.source.key}/{len(run.turns)}")
        _answer(run, answer_to(written, size, protocol.crop, look=look, truth=run.source.truth, rng=rng))


def _answer(run: _Run, shown: Shown | None) -> None:
    """Show what a wish comes to, or end the episode where it is refused."""
    if shown is None:
        _refuse_box(run)
    elif {shown.asked, shown.region} & run.seen:
        run.stop = StopReason.REPEATED
    elif run.protocol.max_pixels and run.pixels + _pixels_of(run, shown) > run.protocol.max_pixels:
        run.stop = StopReason.PIXEL_LIMIT
    else:
        _show(run, shown)


def _refuse_box(run: _Run) -> None:
    """The box of a wish cannot be read, and the protocol shows nothing instead."""
    if run.protocol.crop.fallback == "keep-rating":
        run.stop = StopReason.BAD_BOX
        return
    last = run.turns[-1]
    run.turns[-1] = replace(last, answer=replace(last.answer, problem="asks for a crop of a box that cannot be read"))
    run.stop = StopReason.UNUSABLE


def _show(run: _Run, shown: Shown) -> None:
    image = run.source.image
    run.seen |= {shown.asked, shown.region}
    run.pixels += _pixels_of(run, shown)
    run.view = shown.view
    grown = next_look(
        run.conversations[-1],
        run.protocol,
        shown.picture(image),
        image=image,
        sample_id=run.source.sample_id,
        turn=len(run.turns),
    )
    if grown is not run.conversations[-1]:
        run.conversations.append(grown)
    _bound_tokens(run)


def _pixels_of(run: _Run, shown: Shown) -> int:
    """Pixels of the next look: the crop, and the image where the protocol shows it again."""
    image, again = run.source.image, run.protocol.later_question(len(run.turns)).count("{image}")
    return shown.pixels + again * image.width * image.height


def _bound_tokens(run: _Run) -> None:
    if run.tokens_left is not None:
        run.conversations[-1].max_new_tokens = min(run.protocol.max_new_tokens, run.tokens_left)


def _close(run: _Run) -> Played:
    assert run.stop is not None  # the loop goes on until every run has stopped
    return Played(Episode(run.source.sample_id, tuple(run.turns), run.stop), tuple(run.conversations))
