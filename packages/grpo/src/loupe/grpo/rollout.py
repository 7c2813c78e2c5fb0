"""Episodes as token sequences: prompt, then all that followed, with a mask of what the agent wrote itself.

Both turns of an episode are one growing sequence (the `append` layout): the ids that were sampled, then the crop's user
turn, then the ids that were sampled next. Nothing is tokenised a second time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image

from loupe.core.model.encode import ChatEncoder
from loupe.zoom.loop import Played


@dataclass(frozen=True)
class Rollouts:
    """A batch of episodes for the trainer; each field has one entry an episode.

    `completion_ids` begins with the first token that the agent wrote; `completion_mask` is 1 on its own tokens, 0 on
    the user turns between them. `images` holds the overview and then the crops.
    """

    prompt_ids: list[list[int]]
    completion_ids: list[list[int]]
    completion_mask: list[list[int]]
    images: list[list[Image.Image]]
    texts: list[list[dict[str, Any]]]


def as_rollouts(played: Sequence[Played], encoder: ChatEncoder) -> Rollouts:
    """Token sequences of finished episodes."""
    batch = Rollouts([], [], [], [], [])
    for item in played:
        encoded = encoder.encode(item.conversation)
        start = encoded.wrote.index(True)
        batch.prompt_ids.append(encoded.input_ids[:start])
        batch.completion_ids.append(encoded.input_ids[start:])
        batch.completion_mask.append([int(wrote) for wrote in encoded.wrote[start:]])
        batch.images.append([image for turn in item.conversation.user_turns for image in turn.images])
        batch.texts.append([{"role": "assistant", "content": turn.text} for turn in item.episode.turns])
    return batch
