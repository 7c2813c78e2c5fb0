"""The benchmark does the same work with both trainers, and its bound counts what it says."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig

from loupe.core.errors import ModelError
from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import ModelConfig, load_model
from loupe.core.policy import Conversation, UserTurn
from loupe.grpo.benchmark import ours, stock
from loupe.grpo.benchmark.compare import measure
from loupe.grpo.benchmark.flops import step_flops
from loupe.grpo.benchmark.gpu import gpu_works
from loupe.grpo.benchmark.scoring import WAYS
from loupe.grpo.benchmark.work import BenchWork, make_images, make_model, make_protocol
from loupe.grpo.benchmark.worker import time_steps
from loupe.grpo.benchmark.worker_parts import PARTS

SMALL = BenchWork(images=2, samples=2, tokens=6, prompt=60, size="tiny", warmup=0, steps=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_model(SMALL, tmp_path_factory.mktemp("benchmark") / "model")


@pytest.mark.parametrize("prompt", [60, 61, 100])
def test_a_prompt_has_exactly_the_tokens_that_are_asked_for(folder: Path, prompt: int) -> None:
    _, processor = load_model(ModelConfig(path=str(folder)))
    work = replace(SMALL, prompt=prompt)
    question, image = make_protocol(work, processor).question, make_images(work)[0]
    encoded = ChatEncoder(processor).encode(Conversation("", "", [UserTurn((image,), question)]))
    assert len(encoded.input_ids) == prompt


def test_a_prompt_too_short_for_its_image_is_refused(folder: Path) -> None:
    _, processor = load_model(ModelConfig(path=str(folder)))
    with pytest.raises(ValueError, match="tokens or more"):
        make_protocol(replace(SMALL, prompt=5), processor)


@pytest.mark.parametrize("zoom", [False, True])
@pytest.mark.parametrize("build", [ours.build, stock.build], ids=["ours", "stock"])
def test_each_trainer_writes_completions_of_exactly_that_length(
    folder: Path, tmp_path: Path, build: Any, zoom: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = build(replace(SMALL, zoom=zoom), folder, tmp_path)
    seen: list[tuple[int, int]] = []
    loss = type(trainer)._compute_loss

    def watch(self: Any, model: Any, inputs: Any) -> Any:
        if isinstance(inputs, dict):
            own = inputs["completion_mask"] * inputs.get("tool_mask", 1)
            seen.append((len(own), int(own.sum())))
        else:
            seen.append((len(inputs.rollouts), int(inputs.mask.sum())))
        return loss(self, model, inputs)

    monkeypatch.setattr(type(trainer), "_compute_loss", watch)
    trainer.train()
    assert seen == [(4, 4 * 6 * (2 if zoom else 1))]


def test_times_are_split_and_add_up_to_no_more_than_a_step(folder: Path) -> None:
    for name in ("ours", "stock"):
        made = time_steps(SMALL, name, folder)
        assert made["steps"] == 1 and made["peak_bytes"] > 0
        assert all(made["parts"][part] > 0 for part in PARTS)
        assert sum(made["parts"].values()) <= made["seconds"] * 1.01


def test_both_ways_of_scoring_write_the_same(folder: Path) -> None:
    work = replace(SMALL, images=3, samples=1)
    first, second = (WAYS[way](work, folder)() for way in ("scoring: ours", "scoring: library"))
    assert first == second
    assert [len(ids) for ids in first] == [6, 6, 6]


def test_the_fast_way_of_scoring_gives_a_rating_an_image(folder: Path) -> None:
    hundredths = WAYS["scoring: fast"](replace(SMALL, images=3, samples=1), folder)()
    assert len(hundredths) == 3
    assert all(100 < rating < 500 for (rating,) in hundredths)


def test_a_failure_in_the_other_process_is_one_line(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="ours failed on"):
        measure(SMALL, "ours", tmp_path / "nothing")


def test_the_bound_grows_with_samples_by_completions_and_not_by_prompts(folder: Path) -> None:
    config = AutoConfig.from_pretrained(folder)

    def flops(**fields: Any) -> float:
        return step_flops(config, replace(SMALL, **fields), image_tokens=16, crop_tokens=20)

    once, twice, thrice = (flops(samples=samples, prompt=400) for samples in (1, 2, 3))
    assert twice - once == pytest.approx(thrice - twice)
    assert twice - once < 0.2 * once
    assert flops(beta=0.0) == pytest.approx(flops() * 4 / 5)
    assert flops(images=4) == pytest.approx(2 * flops(images=2))
    assert flops(zoom=True) > flops()


def test_a_linear_layer_is_counted_by_hand() -> None:
    class Text:
        hidden_size, num_attention_heads, num_key_value_heads = 4, 2, 1
        num_hidden_layers, intermediate_size, vocab_size = 1, 8, 10

    class Config:
        vision_config = type(
            "Vision",
            (),
            {"hidden_size": 2, "intermediate_size": 3, "depth": 1, "spatial_merge_size": 2, "out_hidden_size": 4},
        )

        def get_text_config(self) -> Text:
            return Text()

    work = BenchWork(images=1, samples=1, tokens=1, prompt=2, beta=0.0)
    # Projections 4 x (4 + 4 + 2 + 2), gated layer 3 x 4 x 8: 144 products, 288 operations a token, three tokens.
    # Attention: the prompt's tokens see 1 + 2, the completion's token 3, each 4 x 4 operations. Head: 2 x 4 x 10.
    # Image of one token: four patches of 2 x (4 x 4 + 3 x 2 x 3) and a merger of 2 x 8 x (8 + 4).
    forward = 3 * 288 + 6 * 16 + 80 + 4 * 2 * 2 * (4 * 2 + 3 * 3) + 2 * 8 * (8 + 4)
    assert step_flops(Config(), work, image_tokens=1, crop_tokens=0) == 4 * forward


def test_the_gpu_command_says_what_it_wants() -> None:
    with pytest.raises(ModelError, match="wanted one of"):
        gpu_works("70b", device="cpu", steps=1)
    assert {(work.zoom, work.checkpointing) for work in gpu_works("tiny", device="cpu", steps=1)} == {
        (False, False),
        (False, True),
        (True, False),
        (True, True),
    }
