"""Which examples are left out before training, and why: too long for `max_tokens`, or not what an episode can be.

An example is left out as a whole; nothing is ever cut, for an image whose tokens are cut is no image. Lengths are exact
and cheap: the place of an image is as long as its size says, so only a file that is in doubt is decoded. Ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from PIL import Image

from loupe.core.errors import ConfigError
from loupe.core.images import size_of
from loupe.core.model.encode import ChatEncoder
from loupe.core.numbers import count
from loupe.core.records import Learn
from loupe.core.sections import has_all
from loupe.sft.examples import Example
from loupe.sft.fitted import Fitted, Lost

UNREADABLE = "a reply to be learnt is no answer of its protocol"
UNASKED = "a crop that no reply asks for"
UNLABELLED = "a reply to be learnt has not the sections of its protocol"
CONTROL = "a reply spells a control token of the model"
DOT = 56
"""Side in pixels of the blank that stands in every image place while words are counted."""
_WORDED = (Learn.ALL, Learn.WORDS)
"""Turns whose words are learnt."""


def fitting(
    examples: Sequence[Example],
    encoder: ChatEncoder,
    *,
    max_tokens: int,
    progress: Callable[[int, int], None] | None = None,
) -> Fitted:
    """The examples that can be learnt from. Raises ConfigError where all of some are left out, and for a missing or
    damaged image."""
    counter, control = TokenCounter(encoder), _control_ids(encoder)
    kept: list[tuple[Example, int]] = []
    lost: list[Lost] = []
    for number, example in enumerate(examples, 1):
        tokens = counter.tokens(example)
        reason = _unfit(example, encoder, control)
        if reason is None and 0 < max_tokens < tokens:
            reason = f"longer than {count(max_tokens)} tokens"
        if reason is None:
            kept.append((example, tokens))
        else:
            lost.append(Lost(example.source, example.name, reason, tokens))
        if progress is not None and (number % 64 == 0 or number == len(examples)):
            progress(number, len(examples))
    made = Fitted(max_tokens, tuple(item for item, _ in kept), tuple(tokens for _, tokens in kept), tuple(lost))
    if examples and not kept:
        first = made.lines()[0]
        raise ConfigError(
            f"nothing is left to learn from: {first}; set a larger max_tokens, or the right protocol, or mend the "
            "rationales"
        )
    return made


@dataclass
class TokenCounter:
    """Counts the tokens of examples without processing their images.

    Conversations are built with blanks as large as the pictures, for a crop is as large as its picture says, and are
    encoded with one small blank in every place; the rest of a place follows from the size.
    """

    encoder: ChatEncoder
    _of_size: dict[tuple[int, int], int] = field(default_factory=dict[tuple[int, int], int])
    _dot: Image.Image = field(default_factory=lambda: Image.new("RGB", (DOT, DOT)))

    def tokens(self, example: Example) -> int:
        """Ids of the example, image places included. Raises MissingFileError, ImageError."""
        conversation = example.conversation(open_as=lambda path: Image.new("RGB", size_of(path)))
        sizes: list[tuple[int, int]] = []
        for number, turn in enumerate(conversation.user_turns):
            sizes += [image.size for image in turn.images]
            conversation.user_turns[number] = replace(turn, images=(self._dot,) * len(turn.images))
        rest = sum(self._place(size) - self._place(self._dot.size) for size in sizes)
        return len(self.encoder.encode(conversation).input_ids) + rest

    def _place(self, size: tuple[int, int]) -> int:
        """Ids of the place of an image of this width and height."""
        if size not in self._of_size:
            processor = self.encoder.processor.image_processor
            count_patches = getattr(processor, "get_number_of_image_patches", None)
            if count_patches is not None:
                patches = int(count_patches(size[1], size[0]))
            else:
                shown = processor(images=[Image.new("RGB", size)], return_tensors="pt")
                patches = int(shown["image_grid_thw"].prod())
            self._of_size[size] = patches // processor.merge_size**2
        return self._of_size[size]


def _unfit(example: Example, encoder: ChatEncoder, control: frozenset[int]) -> str | None:
    """Why an example is none of an episode that could be; None where nothing speaks against it.

    `control` holds the ids of the control tokens, none of which an agent can write before its end.
    """
    if any(not control.isdisjoint(encoder.reply_ids(turn.text)[:-1]) for turn in example.rationale.turns):
        return CONTROL
    if any(turn.learn is Learn.ALL and not example.read(look).usable for look, turn in example.written):
        return UNREADABLE
    if any(turn.learn in _WORDED and not _has_sections(example, look) for look, turn in example.written):
        return UNLABELLED
    looks = range(len(example.rationale.turns) - 1)
    return UNASKED if any(not example.read(look).wants_crop for look in looks) else None


def _has_sections(example: Example, look: int) -> bool:
    """Whether a turn thinks in the sections of its protocol, where that has any."""
    protocol = example.protocol
    labels = protocol.later_sections if look else protocol.sections
    return not labels or has_all(example.read(look).think, labels)


def _control_ids(encoder: ChatEncoder) -> frozenset[int]:
    """Ids of the tokens that a chat template and a processor work with. Tags such as <think> are none of them."""
    return frozenset(number for number, token in encoder.tokenizer.added_tokens_decoder.items() if token.special)
