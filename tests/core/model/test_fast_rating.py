"""Ratings are read off the distribution behind an opening: one pass, nothing drawn, nothing hanging on the batch."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from loupe.core.errors import ModelError
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.fast_rating import FastRating
from loupe.core.model.loading import ModelConfig, load_model
from loupe.core.policy import Conversation, UserTurn
from loupe.core.rater import Rated

OPENING = '<think></think><answer>{"distortion_class": null, "severity": null, "bbox_2d": null, "rating": '


@pytest.fixture(scope="module")
def loaded(pocket_folder: Path) -> tuple[Any, Any]:
    return load_model(ModelConfig(path=str(pocket_folder)))


def picture(seed: int, *, width: int = 56, height: int = 56) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def asked(seed: int, *, words: str = "Judge this image. No crop.", width: int = 56) -> Conversation:
    return Conversation(f"s{seed}", "", [UserTurn((picture(seed, width=width),), words)])


@torch.no_grad()
def by_hand(model: Any, processor: Any, conversation: Conversation, opening: str) -> tuple[float, float]:
    """Expected rating and mass of the ratings, from the logits of the library's own forward pass."""
    encoder = ChatEncoder(processor)
    encoded = encoder.encode(conversation)
    ids = torch.tensor([[*encoded.input_ids, *processor.tokenizer(opening, add_special_tokens=False).input_ids]])
    kinds = (ids == encoder.image_token_id).long()
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "mm_token_type_ids": kinds}
    logits = model(**batch, pixel_values=encoded.pixel_values, image_grid_thw=encoded.grid_thw).logits[0, -1].float()
    chances = torch.softmax(logits, dim=-1)
    texts = [f"{tenths / 10:.1f}" for tenths in range(10, 51)]
    ratings = torch.tensor([float(chances[processor.tokenizer.convert_tokens_to_ids(text)]) for text in texts])
    values = torch.tensor([float(text) for text in texts])
    return float((ratings * values).sum() / ratings.sum()), float(ratings.sum())


def test_the_expected_rating_is_that_of_the_librarys_own_logits(loaded: tuple[Any, Any]) -> None:
    model, processor = loaded
    (rated,) = FastRating(model, processor).rate([asked(1)], opening=OPENING)
    expected, mass = by_hand(model, processor, asked(1), OPENING)
    assert rated.expected_rating == pytest.approx(expected, abs=1e-4)
    assert rated.mass == pytest.approx(mass, abs=1e-5)
    assert 1.0 <= rated.rating <= 5.0


def test_neither_batch_nor_order_nor_neighbours_matter(loaded: tuple[Any, Any]) -> None:
    model, processor = loaded
    many = [asked(seed, words="Judge. " * (1 + seed % 3), width=56 + 28 * (seed % 2)) for seed in range(7)]
    alone = [FastRating(model, processor).rate([item], opening=OPENING)[0].expected_rating for item in many]
    together = FastRating(model, processor, batch_size=3).rate(many[::-1], opening=OPENING)[::-1]
    assert [item.expected_rating for item in together] == pytest.approx(alone, abs=1e-4)


def test_a_batch_is_one_forward_pass_and_conversations_stay_as_they_are(
    loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, processor = loaded
    passes: list[int] = []
    forward: Callable[..., Any] = model.model.forward

    def counted(*args: Any, **kwargs: Any) -> Any:
        passes.append(1)
        return forward(*args, **kwargs)

    monkeypatch.setattr(model.model, "forward", counted)
    many = [asked(seed) for seed in range(4)]
    FastRating(model, processor, batch_size=4).rate(many, opening=OPENING)
    assert len(passes) == 1
    assert all(not item.replies for item in many)


def test_an_opening_that_grows_together_with_the_rating_is_refused(loaded: tuple[Any, Any]) -> None:
    # ", 1.0" is one token of the pocket tokenizer, so a rating behind ", " is not read where it would be written.
    with pytest.raises(ModelError, match="joins its end"):
        FastRating(*loaded).rate([asked(1)], opening="<answer>[0.0, ")


def test_a_model_that_gives_no_numbers_is_refused(loaded: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model, processor = loaded
    head = model.get_output_embeddings()
    monkeypatch.setattr(head, "forward", lambda hidden: torch.full((*hidden.shape[:-1], head.out_features), torch.nan))
    with pytest.raises(ModelError, match="not a number"):
        FastRating(model, processor).rate([asked(1)], opening=OPENING)


def test_a_model_in_training_goes_on_training(loaded: tuple[Any, Any]) -> None:
    model, processor = loaded
    model.train()
    try:
        FastRating(model, processor).rate([asked(1)], opening=OPENING)
        assert model.training
    finally:
        model.eval()


def test_a_number_that_the_agent_would_not_write_is_a_problem() -> None:
    assert Rated(3.0, 3.0, 0.5).problem is None
    assert Rated(3.0, 3.0, 0.02).problem == "ratings have 2% of the agent's distribution where one is to stand"
