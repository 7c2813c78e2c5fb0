"""Tokens are those of transformers' own `generate`, and what one row writes depends on that row alone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.stats import chi2

from loupe.core.model.decode import Completion, Decoding, Writing, write
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import LoraSettings, ModelConfig, load_model
from loupe.core.model.local_policy import decoding_for
from loupe.core.model.packed import base_of
from loupe.core.model.rating_reader import RatingReader
from loupe.core.model.sessions import Turn, images_of, read
from loupe.core.policy import Conversation, Reply, UserTurn
from loupe.core.sampling import Sampling

FAVOUR = 1e6
"""Added to a logit, it beats all others."""


def shown(*sides: int, words: str = "How good is it?") -> Conversation:
    """One look for each side, with a reply between two looks."""
    turns = [
        UserTurn((Image.fromarray(np.random.default_rng(side).integers(0, 256, (84, side, 3), dtype=np.uint8)),), words)
        for side in sides
    ]
    return Conversation("a", "", turns, [Reply("I need a closer look.")] * (len(sides) - 1))


ROWS = [shown(112), shown(56, 84), shown(84, words="And this one, which is asked about at greater length?")]


@pytest.fixture(scope="module")
def pocket(pocket_folder: Path) -> tuple[Any, Any]:
    return load_model(ModelConfig(path=str(pocket_folder)))


def opened(model: Any, processor: Any, conversations: Sequence[Conversation], *, samples: int = 1) -> Writing:
    """Groups of so many samples, one a conversation, about to write."""
    encoder = ChatEncoder(processor)
    turns = [Turn(place, encoder.encode(asked), images_of(asked)) for place, asked in enumerate(conversations)]
    return read(model, [[turn] * samples for turn in turns], pad_id=processor.tokenizer.pad_token_id)


def settings(model: Any, processor: Any, *, tokens: int, temperature: float = 0.0) -> Decoding:
    return decoding_for(processor, max_new_tokens=tokens, sampling=Sampling(temperature), model=model)


def seeds_of(writing: Writing) -> list[list[int]]:
    return [[number] for number in range(len(writing.logits))]


def written(
    loaded: tuple[Any, Any], conversations: Sequence[Conversation], decoding: Decoding, *, samples: int = 1
) -> list[Completion]:
    writing = opened(*loaded, conversations, samples=samples)
    return write(writing, decoding, seeds=seeds_of(writing))


def stock(model: Any, processor: Any, conversations: Sequence[Conversation], decoding: Decoding) -> list[list[int]]:
    """Greedy completions of transformers for a padded batch, each up to and with the token that ends it."""
    encoder = ChatEncoder(processor)
    batch = encoder.collate([encoder.encode(conversation) for conversation in conversations])
    rows = model.generate(
        **batch,
        do_sample=False,
        max_new_tokens=decoding.max_new_tokens,
        eos_token_id=list(decoding.stop_ids),
        suppress_tokens=list(decoding.suppress_ids),
    )[:, batch["input_ids"].shape[1] :].tolist()
    ends = [next((end for end in range(1, len(row) + 1) if decoding.ends(row[:end])), None) for row in rows]
    return [row[:end] for row, end in zip(rows, ends, strict=True)]


def ids(completions: list[Completion]) -> list[list[int]]:
    return [completion.token_ids for completion in completions]


@torch.no_grad()
def plain_logits(model: Any, processor: Any, asked: Conversation, said: Sequence[int]) -> torch.Tensor:
    """Logits (T, V) for each token of `said`, by one forward of the library over everything."""
    encoder = ChatEncoder(processor)
    prompt = encoder.encode(asked)
    whole = replace(prompt, input_ids=[*prompt.input_ids, *said])
    return model(**encoder.collate([whole])).logits[0, len(prompt.input_ids) - 1 : -1]


def plain_log_probs(
    model: Any, processor: Any, asked: Conversation, said: Sequence[int], *, temperature: float
) -> list[float]:
    table = torch.log_softmax(plain_logits(model, processor, asked, said) / temperature, dim=-1)
    return table.gather(1, torch.tensor(said)[:, None]).flatten().tolist()


@contextmanager
def fed_to(model: Any) -> Iterator[list[torch.Size]]:
    """Shapes (rows, columns) of all that goes through the language model meanwhile."""
    shapes: list[torch.Size] = []
    note = base_of(model).model.register_forward_pre_hook(
        lambda _, __, inputs: shapes.append(inputs["input_ids"].shape), with_kwargs=True
    )
    try:
        yield shapes
    finally:
        note.remove()


@contextmanager
def in_favour_of(model: Any, tokens: Sequence[int]) -> Iterator[None]:
    """The model with its logits far in favour of these tokens."""

    def favour(_: Any, __: Any, logits: torch.Tensor) -> torch.Tensor:
        return logits.index_add(-1, torch.tensor(tokens), torch.full((*logits.shape[:-1], len(tokens)), FAVOUR))

    hook = base_of(model).get_output_embeddings().register_forward_hook(favour)
    try:
        yield
    finally:
        hook.remove()


@contextmanager
def that_says(model: Any, tokens: Sequence[int]) -> Iterator[None]:
    """The model with its logits in favour of these tokens, one after the other."""
    script = iter(tokens)

    def favour(_: Any, __: Any, logits: torch.Tensor) -> torch.Tensor:
        return logits.index_add(-1, torch.tensor([next(script)]), torch.full((*logits.shape[:-1], 1), FAVOUR))

    hook = base_of(model).get_output_embeddings().register_forward_hook(favour)
    try:
        yield
    finally:
        hook.remove()


@pytest.mark.parametrize("samples", [1, 3])
def test_greedy_tokens_are_those_of_generate(loaded: tuple[Any, Any], plain: Any, samples: int) -> None:
    decoding = settings(*loaded, tokens=24)
    ours = ids(written(loaded, ROWS, decoding, samples=samples))
    reference = stock(plain, loaded[1], ROWS, decoding)
    assert ours == [row for row in reference for _ in range(samples)]
    assert len({tuple(row) for row in ours}) == 3


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_other_attention_writes_the_same(folder: Path, loaded: tuple[Any, Any], attention: str) -> None:
    model, processor = load_model(ModelConfig(path=str(folder), attention="eager"))
    model.config.text_config._attn_implementation = attention
    decoding = settings(*loaded, tokens=12, temperature=1.0)
    wanted = written(loaded, ROWS, decoding, samples=2)
    found = written((model, processor), ROWS, decoding, samples=2)
    assert ids(found) == ids(wanted)
    for mine, its in zip(found, wanted, strict=True):
        assert mine.log_probs == pytest.approx(its.log_probs, abs=1e-4)


def test_a_row_that_stops_early_leaves_the_others_as_they_were(loaded: tuple[Any, Any], plain: Any) -> None:
    decoding = settings(*loaded, tokens=24)
    free = ids(written(loaded, ROWS, decoding))
    # Tokens that one row writes and the others never do: it stops there, the others go on to the end.
    stops = [next(token for token in row[3:] if sum(token in other for other in free) == 1) for row in free[:2]]
    for stop_ids in (stops[:1], stops):
        stopping = replace(decoding, stop_ids=tuple(stop_ids))
        cut = written(loaded, ROWS, stopping)
        assert ids(cut) == stock(plain, loaded[1], ROWS, stopping)
        for row, completion in enumerate(cut):
            assert completion.stopped == (row < len(stop_ids))
            end = free[row].index(stops[row]) + 1 if completion.stopped else 24
            assert completion.token_ids == free[row][:end]


def test_what_is_fed_falls_as_samples_finish(loaded: tuple[Any, Any]) -> None:
    free_settings = settings(*loaded, tokens=16, temperature=1.0)
    free = ids(written(loaded, ROWS, free_settings, samples=3))
    stopping = replace(free_settings, stop_ids=tuple({row[2 + 2 * number] for number, row in enumerate(free[:5])}))
    writing = opened(*loaded, ROWS, samples=3)
    with fed_to(loaded[0]) as shapes:
        cut = write(writing, stopping, seeds=seeds_of(writing))
    lengths = [len(completion.token_ids) for completion in cut]
    assert ids(cut) == [row[:length] for row, length in zip(free, lengths, strict=True)]
    expected, rows = list[tuple[int, int]](), 9
    for step in range(1, max(lengths)):
        # Who has written more than `step` tokens in the end was fed the one of this step; the dead leave in crowds.
        live = sum(length > step for length in lengths)
        rows = live if live < 0.75 * rows else rows
        expected.append((rows, 1))
    assert [tuple(shape) for shape in shapes] == expected
    assert expected[0] == (9, 1) and expected[-1][0] < 6
    for row, length in enumerate(lengths):
        parked = writing.parked[row]
        assert {key.shape[1] for key, _ in parked.layers} == {length - 1}
        assert {key.shape[1] for key, _ in parked.prompt.layers} == {
            len(ChatEncoder(loaded[1]).encode(ROWS[row // 3]).input_ids)
        }


def test_a_prompt_and_its_image_are_read_once_for_all_samples(loaded: tuple[Any, Any]) -> None:
    model, processor = loaded
    grids: list[int] = []
    hook = model.model.visual.register_forward_pre_hook(
        lambda _, __, inputs: grids.append(len(inputs["grid_thw"])), with_kwargs=True
    )
    try:
        with fed_to(model) as shapes:
            opened(model, processor, ROWS, samples=8)
    finally:
        hook.remove()
    longest = max(len(ChatEncoder(processor).encode(row).input_ids) for row in ROWS)
    assert [tuple(shape) for shape in shapes] == [(3, longest)]
    assert grids == [4]


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(0.7), Sampling(0.7, top_p=0.8, top_k=40, min_p=0.01)])
def test_log_probabilities_are_those_of_a_plain_forward(
    loaded: tuple[Any, Any], plain: Any, sampling: Sampling
) -> None:
    decoding = replace(settings(*loaded, tokens=10), sampling=sampling)
    samples = written(loaded, ROWS, decoding, samples=3)
    for number, completion in enumerate(samples):
        asked, said = ROWS[number // 3], completion.token_ids
        wanted = plain_log_probs(plain, loaded[1], asked, said, temperature=sampling.temperature)
        assert completion.log_probs == pytest.approx(wanted, abs=1e-4)
    assert len({tuple(row) for row in ids(samples)}) > 3


def test_greedy_log_probabilities_are_read_at_temperature_one(loaded: tuple[Any, Any], plain: Any) -> None:
    (completion,) = written(loaded, ROWS[:1], settings(*loaded, tokens=10))
    wanted = plain_log_probs(plain, loaded[1], ROWS[0], completion.token_ids, temperature=1.0)
    assert completion.log_probs == pytest.approx(wanted, abs=1e-4)


def test_log_probabilities_count_what_can_never_be_drawn(loaded: tuple[Any, Any], plain: Any) -> None:
    # All but four tokens are suppressed, and still their shares are those of the whole vocabulary.
    four = [70, 71, 72, 73]
    beyond = [token for token in range(loaded[0].config.text_config.vocab_size) if token not in four]
    decoding = replace(settings(*loaded, tokens=4, temperature=1.0), suppress_ids=tuple(beyond))
    (completion,) = written(loaded, ROWS[:1], decoding)
    assert set(completion.token_ids) <= set(four)
    wanted = plain_log_probs(plain, loaded[1], ROWS[0], completion.token_ids, temperature=1.0)
    assert completion.log_probs == pytest.approx(wanted, abs=1e-4)
    assert sum(wanted) < 4 * -3


def test_an_adapter_is_decoded_like_any_model(pocket_folder: Path) -> None:
    loaded = load_model(ModelConfig(path=str(pocket_folder), lora=LoraSettings(enabled=True, rank=2)))
    decoding = settings(*loaded, tokens=6)
    assert ids(written(loaded, ROWS[:2], decoding)) == stock(*loaded, ROWS[:2], decoding)


def test_a_token_that_is_written_last_still_stops(pocket: tuple[Any, Any]) -> None:
    decoding = settings(*pocket, tokens=3)
    (free,) = written(pocket, ROWS[:1], decoding)
    assert not free.stopped
    (cut,) = written(pocket, ROWS[:1], replace(decoding, stop_ids=(free.token_ids[2],)))
    assert cut.stopped
    assert cut.token_ids == free.token_ids


def test_what_a_row_writes_is_the_same_alone_and_in_company(loaded: tuple[Any, Any]) -> None:
    decoding = settings(*loaded, tokens=12, temperature=1.0)
    together = written(loaded, ROWS, decoding, samples=4)
    for number in (0, 5, 11):
        writing = opened(*loaded, ROWS[number // 4 : number // 4 + 1])
        (alone,) = write(writing, decoding, seeds=[[number]])
        assert alone.token_ids == together[number].token_ids
        assert alone.log_probs == pytest.approx(together[number].log_probs, abs=1e-4)


def test_the_first_token_is_drawn_as_often_as_the_model_says(pocket: tuple[Any, Any]) -> None:
    asked, draws = Conversation("a", "", [UserTurn((), "How good?")]), 2000
    for temperature in (1.0, 2.0):
        decoding = settings(*pocket, tokens=1, temperature=temperature)
        writing = opened(*pocket, [asked], samples=draws)
        drawn = [row[0] for row in ids(write(writing, decoding, seeds=[[7, number] for number in range(draws)]))]
        logits = plain_logits(*pocket, asked, [0])[0].double()
        logits[list(decoding.suppress_ids)] = -torch.inf
        expected = torch.softmax(logits / temperature, dim=-1).numpy() * draws
        counts = np.bincount(drawn, minlength=len(expected))
        often = expected >= 5
        wanted = np.append(expected[often], expected[~often].sum())
        seen = np.append(counts[often], counts[~often].sum())
        assert len(wanted) > 20
        # Beyond this a right sampler falls once in ten thousand seeds; these seeds are fixed.
        assert ((seen - wanted) ** 2 / wanted).sum() < chi2.ppf(1 - 1e-4, len(wanted) - 1)


def test_no_image_token_is_ever_written_however_hot(loaded: tuple[Any, Any]) -> None:
    decoding = settings(*loaded, tokens=60, temperature=1000.0)
    names = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>", "<|im_start|>"]
    beyond = set(decoding.suppress_ids)
    assert set(loaded[1].tokenizer.convert_tokens_to_ids(names)) <= beyond
    wild = replace(decoding, suppress_ids=())
    assert {token for row in ids(written(loaded, ROWS, wild, samples=8)) for token in row} & beyond
    assert not {token for row in ids(written(loaded, ROWS, decoding, samples=8)) for token in row} & beyond


@pytest.mark.parametrize("temperature", [0.0, 1.0, 1000.0])
def test_no_image_token_is_ever_written_however_much_the_model_wants_to(
    loaded: tuple[Any, Any], temperature: float
) -> None:
    decoding = settings(*loaded, tokens=8, temperature=temperature)
    beyond = set(decoding.suppress_ids)
    with in_favour_of(loaded[0], sorted(beyond)):
        assert {
            token for row in ids(written(loaded, ROWS, replace(decoding, suppress_ids=()))) for token in row
        } <= beyond
        completions = written(loaded, ROWS, decoding, samples=2)
    assert not {token for row in ids(completions) for token in row} & beyond
    # It wrote what it hardly ever would have.
    assert max(number for completion in completions for number in completion.log_probs) < -FAVOUR / 1000 / 2


def test_rows_of_the_vocabulary_that_are_no_token_are_never_written(pocket: tuple[Any, Any]) -> None:
    model, processor = pocket
    unused = range(len(processor.tokenizer), model.config.text_config.vocab_size)
    assert len(unused)
    assert set(unused) <= set(settings(model, processor, tokens=1).suppress_ids)


def test_both_end_tokens_stop(pocket: tuple[Any, Any]) -> None:
    model, processor = pocket
    wanted = processor.tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    assert list(settings(model, processor, tokens=1).stop_ids) == wanted


PIECES = [
    ["</answer>"],
    ["</", "ans", "wer", ">"],
    list("</answer>"),
    ["x</ans", "wer>"],
]


@pytest.mark.parametrize("pieces", PIECES, ids=["whole", "four", "letters", "glued"])
def test_a_completion_ends_with_the_closing_tag_and_nowhere_earlier(loaded: tuple[Any, Any], pieces: list[str]) -> None:
    model, processor = loaded
    decoding = settings(model, processor, tokens=60)
    before = ["<think>", "a > b, so </answer is no tag, nor is answer", ">", "</think>", "<answer>", "</ answer>"]
    said = [token for piece in before + pieces for token in processor.tokenizer(piece).input_ids]
    assert processor.tokenizer.decode(said).count("</answer>") == 1
    with that_says(model, [*said, *processor.tokenizer(" and more").input_ids, *[70] * 60]):
        completions = written(loaded, ROWS[:1], decoding, samples=2)
    assert ids(completions) == [said] * 2
    assert all(completion.stopped for completion in completions)
    assert not any(decoding.ends(said[:end]) for end in range(1, len(said)))


def test_a_closing_tag_of_the_prompt_closes_nothing(loaded: tuple[Any, Any]) -> None:
    asked = Conversation("a", "", [UserTurn((), "Say <answer>1</answer>"), UserTurn((), "Now.")], [Reply("</answer")])
    bracket = loaded[1].tokenizer(">").input_ids
    assert len(bracket) == 1
    with that_says(loaded[0], bracket * 9):
        (completion,) = written(loaded, [asked], settings(*loaded, tokens=5))
    assert (completion.token_ids, completion.stopped) == (bracket * 5, False)


def test_the_expected_rating_is_the_mean_over_the_ratings_at_their_place(pocket: tuple[Any, Any]) -> None:
    model, processor = pocket
    reader = RatingReader.of(processor.tokenizer)
    assert reader is not None
    writing = opened(model, processor, ROWS)
    writing.logits[[0, 2], reader.key_id] = FAVOUR
    completions = write(writing, settings(model, processor, tokens=2), seeds=seeds_of(writing), reader=reader)
    values = torch.arange(10, 51) / 10
    tokens = processor.tokenizer.convert_tokens_to_ids([f"{value:.1f}" for value in values.tolist()])
    for row in (0, 2):
        logits = plain_logits(model, processor, ROWS[row], [reader.key_id, 0])[1, tokens]
        by_hand = float((torch.softmax(logits, dim=-1) * values).sum())
        assert completions[row].expected_rating == pytest.approx(by_hand, abs=1e-4)
    assert completions[1].expected_rating is None


def test_the_rating_that_counts_is_the_one_that_was_written_last(pocket: tuple[Any, Any]) -> None:
    model, processor = pocket
    reader = RatingReader.of(processor.tokenizer)
    assert reader is not None
    # Nothing but the key and two ratings can be written, each about as likely: the key comes again and again.
    ratings = processor.tokenizer.convert_tokens_to_ids(["2.0", "4.0"])
    free = {reader.key_id, *ratings}
    every = range(model.config.text_config.vocab_size)
    decoding = Decoding(12, Sampling(1e6), (), tuple(token for token in every if token not in free))
    writing = opened(model, processor, ROWS[:1])
    (completion,) = write(writing, decoding, seeds=[[3]], reader=reader)
    places = [place for place, token in enumerate(completion.token_ids[:-1]) if token == reader.key_id]
    assert len(places) > 1
    logits = plain_logits(model, processor, ROWS[0], completion.token_ids)
    chance = torch.softmax(logits[places[-1] + 1, ratings], dim=-1)
    assert completion.expected_rating == pytest.approx(float(2 * chance[0] + 4 * chance[1]), abs=1e-4)
