"""From a conversation to the tokens that a model sees: the one way, for training and for inference alike.

Replies enter as the ids that were sampled, never as text that is tokenised again, and everything between them comes
from the model's own chat template. So a prompt in a rollout is the prompt of the same conversation in SFT, id for id,
and the mask of what the agent itself wrote is known by construction.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from PIL import Image

from loupe.core.errors import ModelError
from loupe.core.policy import Conversation

_REPLY = "\N{SYMBOL FOR UNIT SEPARATOR}reply\N{SYMBOL FOR UNIT SEPARATOR}"
_IMAGE = "<|image_pad|>"
_REMEMBERED = 2**28
"""Bytes of images and their patches that an encoder remembers."""
_TEXTS = 1024
"""Pieces of text that it remembers before it begins anew."""

K = TypeVar("K")
V = TypeVar("V")


@dataclass(frozen=True)
class Encoded:
    """One conversation as ids. `wrote` marks the ids that the agent wrote; `pixel_values` holds all images' patches.

    input_ids, wrote: (T,); pixel_values (patches, features); grid_thw (images, 3). Both are None without an image.
    """

    input_ids: list[int]
    wrote: list[bool]
    pixel_values: torch.Tensor | None
    grid_thw: torch.Tensor | None

    def before(self, count: int, *, images: int) -> "Encoded":
        """The first `count` ids, which hold this many images."""
        return self._part(slice(None, count), slice(None, images))

    def after(self, count: int, *, images: int) -> "Encoded":
        """What comes after the first `count` ids, which hold this many images."""
        return self._part(slice(count, None), slice(images, None))

    def _part(self, ids: slice, images: slice) -> "Encoded":
        pixels, grids = self.pixel_values, self.grid_thw
        if pixels is not None and grids is not None:
            patches = pixels.split(grids.prod(-1).tolist())[images]
            pixels, grids = (torch.cat(patches), grids[images]) if patches else (None, None)
        return Encoded(self.input_ids[ids], self.wrote[ids], pixels, grids)


def pictures(parts: Iterable[Encoded]) -> dict[str, torch.Tensor]:
    """Images of all parts, one after the other, as inputs of a model (pixel_values, image_grid_thw); {} for none."""
    pixels, grids = zip(*((part.pixel_values, part.grid_thw) for part in parts), strict=True)
    shown = [tensor for tensor in pixels if tensor is not None]
    laid = [tensor for tensor in grids if tensor is not None]
    return {"pixel_values": torch.cat(shown), "image_grid_thw": torch.cat(laid)} if shown else {}


@dataclass(frozen=True)
class _Processed:
    """An image and its patches. It is held here so that no other image can take its place in memory."""

    image: Image.Image
    pixels: torch.Tensor
    grid: torch.Tensor

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return self.pixels.nbytes + 3 * self.image.width * self.image.height


class ChatEncoder:
    """Encodes conversations with one processor."""

    def __init__(self, processor: Any) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.image_token_id: int = self.tokenizer.convert_tokens_to_ids(_IMAGE)
        self.end_id: int = self.tokenizer.convert_tokens_to_ids("<|im_end|>")
        self._processed: OrderedDict[int, _Processed] = OrderedDict()
        # The samples of a group say different things between the same words.
        self._ids_of: dict[str, list[int]] = {}
        self._texts: dict[tuple[Any, ...], str] = {}

    def reply_ids(self, text: str) -> tuple[int, ...]:
        """Ids of a reply that somebody wrote down, with the end token."""
        return (*self.tokenizer(text, add_special_tokens=False).input_ids, self.end_id)

    def encode(self, conversation: Conversation) -> Encoded:
        """The conversation up to where the agent writes next, or up to its last reply where nothing is asked after it.

        Raises ModelError where replies and user turns do not take turns, where words look like an image, and where the
        chat template does not show each message once.
        """
        users, replies = conversation.user_turns, conversation.replies
        if len(users) - len(replies) not in (0, 1) or not users:
            raise ModelError(
                f"{len(users)} user turns and {len(replies)} replies; wanted them to take turns, users first"
            )
        pixels, grids, pads = self._images([image for turn in users for image in turn.images])
        pieces = self._pieces(conversation)
        if (places := sum(piece.count(_IMAGE) for piece in pieces)) != len(pads):
            raise ModelError(
                f"{places} image places for {len(pads)} images; the words of a conversation must not hold {_IMAGE}"
            )
        ids: list[int] = []
        wrote: list[bool] = []
        for number, piece in enumerate(pieces):
            if number:
                said = replies[number - 1].token_ids or self.reply_ids(replies[number - 1].text)
                ids.extend(said)
                wrote.extend([number > conversation.recalled] * len(said))
                if said[-1] == self.end_id:
                    piece = piece.removeprefix("<|im_end|>")
                if number == len(users):
                    break
            between = self._between(piece, pads)
            ids.extend(between)
            wrote.extend([False] * len(between))
        return Encoded(ids, wrote, pixels, grids)

    def collate(self, rows: Sequence[Encoded]) -> dict[str, torch.Tensor]:
        """Left-padded batch of model inputs: input_ids, attention_mask, mm_token_type_ids (B, T), and all images."""
        length = max(len(row.input_ids) for row in rows)
        ids = torch.full((len(rows), length), self.tokenizer.pad_token_id)
        attention = torch.zeros((len(rows), length), dtype=torch.long)
        for index, row in enumerate(rows):
            ids[index, length - len(row.input_ids) :] = torch.tensor(row.input_ids)
            attention[index, length - len(row.input_ids) :] = 1
        batch = {
            "input_ids": ids,
            "attention_mask": attention,
            "mm_token_type_ids": (ids == self.image_token_id).long(),
        }
        return batch | pictures(rows)

    def _between(self, piece: str, pads: list[int]) -> list[int]:
        """Ids of a piece of the template, with each image place as long as the next of `pads` says; takes them out."""
        for _ in range(piece.count(_IMAGE)):
            piece = piece.replace(_IMAGE, "\0" * pads.pop(0), 1)
        text = piece.replace("\0", _IMAGE)
        return _known(self._ids_of, text, lambda: self.tokenizer(text, add_special_tokens=False).input_ids)

    def _images(self, images: list[Any]) -> tuple[torch.Tensor | None, torch.Tensor | None, list[int]]:
        if not images:
            return None, None, []
        made = [self._process(image) for image in images]
        grids = torch.cat([item.grid for item in made])
        merge = self.processor.image_processor.merge_size**2
        return torch.cat([item.pixels for item in made]), grids, (grids.prod(-1) // merge).tolist()

    def _process(self, image: Image.Image) -> "_Processed":
        """An image as patches; the samples of a group and the turns of a conversation show the same ones again."""
        known = self._processed.get(id(image))
        if known is None:
            made = self.processor.image_processor(images=[image], return_tensors="pt")
            known = self._processed[id(image)] = _Processed(image, made["pixel_values"], made["image_grid_thw"])
            while sum(item.size for item in self._processed.values()) > _REMEMBERED:
                self._processed.popitem(last=False)
        return known

    def _pieces(self, conversation: Conversation) -> list[str]:
        """The chat template's text before, between and after the replies."""
        turns = tuple(
            tuple(part if isinstance(part, str) else None for part in turn.parts) for turn in conversation.user_turns
        )
        key = (conversation.system, turns, len(conversation.replies))
        text = _known(self._texts, key, lambda: self._laid_out(*key))
        pieces = text.split(_REPLY)
        if len(pieces) != len(conversation.replies) + 1:
            raise ModelError(
                "the chat template drops or repeats assistant messages; wanted one that shows each as it is"
            )
        return pieces

    def _laid_out(self, system: str, turns: tuple[tuple[str | None, ...], ...], replies: int) -> str:
        """The template's text of user turns (words, None for an image) and so many replies, for which a sign stands."""
        messages: list[dict[str, Any]] = []
        if system:
            messages.append({"role": "system", "content": [{"type": "text", "text": system}]})
        for number, turn in enumerate(turns):
            content = [{"type": "image"} if part is None else {"type": "text", "text": part} for part in turn]
            messages.append({"role": "user", "content": content})
            if number < replies:
                messages.append({"role": "assistant", "content": [{"type": "text", "text": _REPLY}]})
        template = self.processor.chat_template or self.tokenizer.chat_template
        return self.tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, add_generation_prompt=len(turns) > replies
        )


def _known(memory: dict[K, V], key: K, make: Callable[[], V]) -> V:
    """What is remembered under a key, made where it is not."""
    if key not in memory:
        if len(memory) >= _TEXTS:
            memory.clear()
        memory[key] = make()
    return memory[key]
