"""A model in this process as a `Policy`."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from loupe.core.model.decode import Decoding, decode
from loupe.core.model.encode import ChatEncoder, Encoded
from loupe.core.model.rating_reader import RatingReader
from loupe.core.policy import Conversation, Reply


class LocalPolicy:
    """Plays conversations with a loaded model. Temperature 0 is greedy; with it the seed changes nothing."""

    def __init__(
        self, model: Any, processor: Any, *, max_new_tokens: int, temperature: float = 0.0, batch_size: int = 64
    ) -> None:
        self.model = model
        self.encoder = ChatEncoder(processor)
        self.batch_size = batch_size
        self.reader = RatingReader.of(processor.tokenizer)
        self.decoding = decoding_for(processor, max_new_tokens=max_new_tokens, temperature=temperature, model=model)

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """One reply per conversation; long and short ones are batched with their like."""
        encoded = [self.encoder.encode(conversation) for conversation in conversations]
        order = sorted(range(len(encoded)), key=lambda index: len(encoded[index].input_ids))
        replies: dict[int, Reply] = {}
        with _judging(self.model):
            for first in range(0, len(order), self.batch_size):
                chosen = order[first : first + self.batch_size]
                seeds = [_row_seed(conversations[index], seed) for index in chosen]
                said = self._respond_to([encoded[index] for index in chosen], seeds)
                replies.update(zip(chosen, said, strict=True))
        return [replies[index] for index in range(len(conversations))]

    def _respond_to(self, rows: Sequence[Encoded], seeds: Sequence[Sequence[int]]) -> list[Reply]:
        """One reply for each row of one batch; each is charged its share of the seconds."""
        started = time.perf_counter()
        batch = {key: value.to(self.model.device) for key, value in self.encoder.collate(rows).items()}
        completions = decode(self.model, batch, self.decoding, seeds=seeds, reader=self.reader)
        seconds = (time.perf_counter() - started) / len(rows)
        return [
            Reply(
                text=self.encoder.tokenizer.decode(completion.token_ids, skip_special_tokens=True),
                token_ids=tuple(completion.token_ids),
                truncated=not completion.stopped,
                seconds=seconds,
                expected_rating=completion.expected_rating,
            )
            for completion in completions
        ]


def decoding_for(processor: Any, *, max_new_tokens: int, temperature: float, model: Any) -> Decoding:
    """Stop and suppressed tokens of a Qwen-style processor: no image token may ever be sampled."""
    tokenizer = processor.tokenizer
    known = set(tokenizer.get_vocab())
    names = ["<|image_pad|>", "<|video_pad|>", "<|vision_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_start|>"]
    vocabulary = model.config.text_config.vocab_size
    return Decoding(
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        stop_ids=tuple(tokenizer.convert_tokens_to_ids([t for t in ("<|im_end|>", "<|endoftext|>") if t in known])),
        suppress_ids=(
            *tokenizer.convert_tokens_to_ids([name for name in names if name in known]),
            *range(len(tokenizer), vocabulary),
        ),
    )


@contextmanager
def _judging(model: Any) -> Iterator[None]:
    """The model in evaluation mode; a trainer whose model plays goes on in its own mode, whatever happens."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def _row_seed(conversation: Conversation, seed: int) -> list[int]:
    """Random numbers of a reply depend on the seed, the conversation's key and its turn, and on nothing else."""
    key = int.from_bytes(sha256(conversation.key.encode()).digest()[:8], "big")
    return [seed, key, len(conversation.replies)]
