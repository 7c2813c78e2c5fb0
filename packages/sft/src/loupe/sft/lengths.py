"""Which examples are left out before training, and why: too long for `max_tokens`, or not what an episode can be.

An example is left out as a whole; nothing is ever cut, for an image whose tokens are cut is no image. Lengths are exact
and cheap: the place of an image is as long as its size says, so a blank picture of that size stands in for it. Ours.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from PIL import ExifTags, Image

from loupe.core.errors import ConfigError
from loupe.core.images import open_image
from loupe.core.model.encode import ChatEncoder
from loupe.core.numbers import count
from loupe.core.policy import Conversation
from loupe.core.records import Learn
from loupe.sft.examples import Example
from loupe.sft.fitted import Fitted, Lost

UNREADABLE = "a reply to be learnt is no answer of its protocol"
UNASKED = "a crop that no reply asks for"
_LYING = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


def fitting(
    examples: Sequence[Example],
    encoder: ChatEncoder,
    *,
    max_tokens: int,
    progress: Callable[[int, int], None] | None = None,
) -> Fitted:
    """The examples that can be learnt from. Raises ConfigError where all of some are left out, and for a missing or
    damaged image."""
    counter = TokenCounter(encoder)
    kept: list[tuple[Example, int]] = []
    lost: list[Lost] = []
    for number, example in enumerate(examples, 1):
        tokens = counter.tokens(example)
        reason = _unfit(example)
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
        raise ConfigError(f"nothing is left to learn from: {first}; set a larger max_tokens, or the right protocol")
    return made


@dataclass
class TokenCounter:
    """Counts the tokens of examples without decoding or processing their images."""

    encoder: ChatEncoder
    _blanks: dict[tuple[int, int], Image.Image] = field(default_factory=dict[tuple[int, int], Image.Image])

    def tokens(self, example: Example) -> int:
        """Ids of the example, image places included. Raises MissingFileError, ImageError."""
        conversation = example.conversation(open_as=lambda path: self._blank(size_of(path)))
        return len(self.encoder.encode(self._blanked(conversation)).input_ids)

    def _blanked(self, conversation: Conversation) -> Conversation:
        """With one and the same picture for each size, which the encoder processes once."""
        for number, turn in enumerate(conversation.user_turns):
            images = tuple(self._blank(image.size) for image in turn.images)
            conversation.user_turns[number] = type(turn)(images, turn.text)
        return conversation

    def _blank(self, size: tuple[int, int]) -> Image.Image:
        if size not in self._blanks:
            self._blanks[size] = Image.new("RGB", size)
        return self._blanks[size]


def size_of(path: Path) -> tuple[int, int]:
    """Width and height that `open_image` gives, as a rule from its header. Raises MissingFileError, ImageError."""
    try:
        with Image.open(path) as image:
            # Of a PNG the orientation may come last, so the library decodes it all to know; a square needs none.
            if image.width == image.height or image.getexif().get(ExifTags.Base.Orientation) not in _LYING:
                return image.size
            return image.height, image.width
    except (OSError, ValueError, SyntaxError):
        # It says in one line what is wrong with the file.
        return open_image(path).size


def _unfit(example: Example) -> str | None:
    """Why an example is none of an episode that could be; None where nothing speaks against it."""
    if any(turn.learn is Learn.ALL and not example.read(look).usable for look, turn in example.written):
        return UNREADABLE
    looks = range(len(example.rationale.turns) - 1)
    return UNASKED if any(not example.read(look).wants_crop for look in looks) else None
