"""A model in this process as a `Policy`."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import Any

from loupe.core.dialects.tags import END_ANSWER
from loupe.core.model.decode import Completion, Decoding, write
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.grouped_cache import Prompt
from loupe.core.model.rating_reader import RatingReader
from loupe.core.model.sessions import Standing, Turn, batches, images_of, read
from loupe.core.policy import Conversation, Reply
from loupe.core.sampling import GREEDY, Sampling

_TAIL = 16
"""Tokens at the end of a completion in which a closing tag is looked for; each holds one character at least."""
_REMEMBERED = 2**31
"""Bytes of keys and values that a policy keeps from one call to the next."""


class LocalPolicy:
    """Plays conversations with a loaded model. Greedy sampling is the default; with it the seed changes nothing.

    Samples of one prompt share it, and a conversation that is asked again in the next call goes on where it stood, if
    there was room to keep that; what any other one held is forgotten then.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        max_new_tokens: int,
        sampling: Sampling = GREEDY,
        batch_size: int = 64,
        encoder: ChatEncoder | None = None,
    ) -> None:
        """`encoder` is one of this processor that has images in its memory which will be shown."""
        self.model = model
        self.encoder = encoder or ChatEncoder(processor)
        self.batch_size = batch_size
        self.reader = RatingReader.of(processor.tokenizer)
        self.decoding = decoding_for(processor, max_new_tokens=max_new_tokens, sampling=sampling, model=model)
        self._standing: dict[str, Standing] = {}

    def respond(self, conversations: Sequence[Conversation], *, seed: int) -> list[Reply]:
        """One reply per conversation; long and short ones are batched with their like."""
        turns = [self._turn(index, conversation) for index, conversation in enumerate(conversations)]
        self._standing = {}
        replies: dict[int, Reply] = {}
        with judging(self.model):
            for groups in batches(turns, self.batch_size):
                replies.update(self._respond_to(groups, conversations, seed=seed))
        return [replies[index] for index in range(len(conversations))]

    def _turn(self, index: int, conversation: Conversation) -> Turn:
        encoded, images = self.encoder.encode(conversation), images_of(conversation)
        # Taken away, for two conversations that go on from one sample would see each other's words.
        standing = self._standing.pop(conversation.key, None)
        goes_on = standing is not None and standing.goes_on(encoded, images)
        return Turn(index, encoded, images, standing if goes_on else None)

    def _respond_to(
        self, groups: Sequence[Sequence[Turn]], conversations: Sequence[Conversation], *, seed: int
    ) -> Iterator[tuple[int, Reply]]:
        """(index, reply) for each turn of one batch; each is charged its share of the seconds."""
        started = time.perf_counter()
        turns = [turn for group in groups for turn in group]
        writing = read(self.model, groups, pad_id=self.encoder.tokenizer.pad_token_id)
        places = writing.places.tolist()
        seeds = [_row_seed(conversations[turn.index], seed) for turn in turns]
        bounds = [conversations[turn.index].max_new_tokens for turn in turns]
        limits = [self.decoding.max_new_tokens if bound is None else bound for bound in bounds]
        completions = write(writing, self.decoding, seeds=seeds, reader=self.reader, limits=limits)
        seconds = (time.perf_counter() - started) / len(turns)
        for row, (turn, place, completion) in enumerate(zip(turns, places, completions, strict=True)):
            fed = completion.token_ids[:-1]
            ids, where = [*turn.encoded.input_ids, *fed], place + len(fed)
            key = conversations[turn.index].key
            self._standing[key] = Standing(writing.parked[row], ids, where, turn.images)
            yield turn.index, self._reply(completion, seconds)
        self._forget_the_oldest()

    def _forget_the_oldest(self) -> None:
        """Let go of whole groups until what is kept fits; a conversation that was forgotten is read anew."""
        groups: dict[Prompt, list[str]] = {}
        for key, standing in self._standing.items():
            groups.setdefault(standing.parked.prompt, []).append(key)
        sizes = {
            prompt: prompt.size + sum(self._standing[key].parked.size for key in keys)
            for prompt, keys in groups.items()
        }
        held = sum(sizes.values())
        for prompt, keys in groups.items():
            if held <= _REMEMBERED:
                break
            held -= sizes[prompt]
            for key in keys:
                del self._standing[key]

    def _reply(self, completion: Completion, seconds: float) -> Reply:
        return Reply(
            text=self.encoder.tokenizer.decode(completion.token_ids, skip_special_tokens=True),
            token_ids=tuple(completion.token_ids),
            log_probs=tuple(completion.log_probs),
            truncated=not completion.stopped,
            seconds=seconds,
            expected_rating=completion.expected_rating,
        )


def decoding_for(processor: Any, *, max_new_tokens: int, sampling: Sampling, model: Any) -> Decoding:
    """Stop and suppressed tokens of a Qwen-style processor: no token of an image or of a turn may ever be sampled."""
    tokenizer = processor.tokenizer
    known = set(tokenizer.get_vocab())
    names = ["<|image_pad|>", "<|video_pad|>", "<|vision_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_start|>"]
    vocabulary = model.config.text_config.vocab_size
    return Decoding(
        max_new_tokens=max_new_tokens,
        sampling=sampling,
        stop_ids=tuple(tokenizer.convert_tokens_to_ids([t for t in ("<|im_end|>", "<|endoftext|>") if t in known])),
        suppress_ids=(
            *tokenizer.convert_tokens_to_ids([name for name in names if name in known]),
            *range(len(tokenizer), vocabulary),
        ),
        closing_ids=frozenset(number for token, number in tokenizer.get_vocab().items() if END_ANSWER[-1] in token),
        is_over=_closes(tokenizer),
    )


def _closes(tokenizer: Any) -> Callable[[Sequence[int]], bool]:
    """Whether the last tokens of a completion hold the tag that closes an answer."""
    return lambda ids: END_ANSWER in tokenizer.decode(ids[-_TAIL:], skip_special_tokens=True)


@contextmanager
def judging(model: Any) -> Iterator[None]:
    """The model in evaluation mode; a trainer goes on as it was, whatever happens."""
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
