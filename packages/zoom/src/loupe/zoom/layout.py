"""The messages of an episode, built from its protocol: the one way, for rollouts, evaluation and SFT alike.

`append` is one growing conversation, in which a crop comes back as the next user turn. `segments` is how the released
Zoom-IQA checkpoint was trained: each later look is a new conversation of three messages, the bare question, the reply
before it, and whatever the protocol shows beside the crop. What follows each other there are several token sequences.
"""

import re
from collections.abc import Mapping, Sequence

from PIL import Image

from loupe.core.errors import DataError
from loupe.core.policy import PICTURE, Conversation, Reply, UserTurn
from loupe.core.protocol import QUESTION, Protocol

_MARK = re.compile(r"\{(image[23]?|crop)\}")
_NAMES: tuple[str, ...] = ("image", "image2", "image3")


def opening(
    protocol: Protocol, images: Sequence[Image.Image], *, key: str, sample_id: str, zoom: bool = True
) -> Conversation:
    """The conversation before the first reply. `images` is the one to judge and any that are shown beside it.

    `zoom` is False for the mode in which the agent must judge from this view alone. Raises DataError where the protocol
    names more or fewer images than there are.
    """
    text = protocol.question if zoom or not protocol.no_zoom_question else protocol.no_zoom_question
    shown: dict[str, Image.Image] = dict(zip(_NAMES, images, strict=False))
    turn = user_turn(protocol.phrased(text, sample_id), shown, default=images)
    if len(turn.images) != len(images):
        raise DataError(
            f"protocol {protocol.name!r} shows {len(turn.images)} images and {sample_id!r} has {len(images)}; give as "
            "many as it asks for, or another protocol"
        )
    return Conversation(key, protocol.system, [turn], max_new_tokens=protocol.max_new_tokens)


def next_look(
    conversation: Conversation,
    protocol: Protocol,
    crop: Image.Image,
    *,
    image: Image.Image,
    sample_id: str,
    turn: int,
) -> Conversation:
    """The conversation before the reply to a crop; `turn` is 1 for the first one. With `append` it is `conversation`
    itself, which has grown; with `segments` a new one."""
    asked = user_turn(protocol.later_question(turn), {"image": image, "crop": crop}, default=[crop])
    if protocol.layout == "append":
        conversation.user_turns.append(asked)
        return conversation
    words = protocol.recalled_question or (QUESTION if protocol.questions else _MARK.sub("", protocol.question).strip())
    before = UserTurn((), protocol.phrased(words, sample_id))
    said: Reply = conversation.replies[-1]
    return Conversation(
        conversation.key,
        protocol.system,
        [before, asked],
        [said],
        max_new_tokens=protocol.max_new_tokens,
        recalled=1,
    )


def user_turn(text: str, images: Mapping[str, Image.Image], *, default: Sequence[Image.Image]) -> UserTurn:
    """A user turn with the images that its text names, or with those of `default` in front of a text that names none.

    Raises DataError for a name that has no image.
    """
    names = _MARK.findall(text)
    if not names:
        return UserTurn(tuple(default), text)
    if missing := [name for name in names if name not in images]:
        raise DataError(
            f"the protocol shows {{{missing[0]}}}, and there is none here; there is {', '.join(images)}: give the "
            "image, for example with --reference, or take another protocol"
        )
    return UserTurn(tuple(images[name] for name in names), _MARK.sub(PICTURE, text))
