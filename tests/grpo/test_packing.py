"""Shared prompts change nothing but the cost: log-probabilities, entropies and every gradient are the plain way's."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import Qwen2VLImageProcessorPil, Qwen3VLConfig, Qwen3VLForConditionalGeneration
from trl.trainer.utils import add_fused_lm_head

from loupe.core.model.encode import ChatEncoder
from loupe.core.model.loading import LoraSettings, ModelConfig, load_model, save_model
from loupe.core.model.processors import ImageOnlyQwen3VLProcessor, build_pocket_processor
from loupe.core.protocol import Protocol, load_protocol
from loupe.grpo.log_probs import in_halves, log_probs_of
from loupe.grpo.packing import Looks, Packed, joined, pack, pieces, score
from loupe.grpo.rollout import Rollout, Segment, as_rollouts, by_prompt
from loupe.zoom.loop import LoopInput, play
from loupe.zoom.scripted import ScriptedPolicy

ASK = '<think>I crop.</think><answer>{"bbox_2d": [0.0, 0.0, 0.5, 0.5], "rating": 3.0, "tool": "crop"}</answer>'
END = '<think>It is blur.</think><answer>{"rating": 2.0, "tool": "final"}</answer>'
SHORT = '<think>So.</think><answer>{"rating": 4.0, "tool": "final"}</answer>'
BRIEF = load_protocol("zoom-brief")
APART = replace(BRIEF, layout="segments", final_question="All of it: {image} A part: {crop} The verdict?")
LONGER = replace(BRIEF, question="Judge this image, and say what is wrong with it. You may crop.")
GROUPS = (
    ((ASK, END), (SHORT,), (ASK, SHORT)),
    ((END,),),
    ((SHORT,), (END,)),
)
"""Scripts of groups of different sizes; the first one has crops."""
ON_A_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
SIZES = ((224, 224), (140, 252), (168, 112))
"""Height and width of their images."""


@pytest.fixture(scope="module")
def qwen3_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved Qwen3-VL of two narrow layers, whose images enter at two depths, with the pocket tokenizer."""
    pocket = build_pocket_processor()
    token: Any = pocket.tokenizer.convert_tokens_to_ids
    rotary = {"rope_type": "default", "rope_theta": 1e4, "mrope_interleaved": True, "mrope_section": [4, 2, 2]}
    narrow = {"hidden_size": 64, "intermediate_size": 128}
    layers = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16}
    vision = {"depth": 2, "hidden_size": 32, "intermediate_size": 64, "num_heads": 2, "patch_size": 16}
    config = Qwen3VLConfig(
        text_config={"vocab_size": -(-len(pocket.tokenizer) // 64) * 64, "rope_parameters": rotary} | narrow | layers,
        vision_config=vision | {"out_hidden_size": 64, "num_position_embeddings": 36, "deepstack_visual_indexes": [0]},
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=False,
    )
    images = Qwen2VLImageProcessorPil(
        patch_size=16, temporal_patch_size=2, merge_size=2, size={"shortest_edge": 32 * 32, "longest_edge": 96 * 96}
    )
    torch.manual_seed(11)
    folder = tmp_path_factory.mktemp("models") / "qwen3"
    processor = ImageOnlyQwen3VLProcessor(images, pocket.tokenizer, chat_template=pocket.chat_template)
    save_model(Qwen3VLForConditionalGeneration(config), processor, folder)
    return folder


@pytest.fixture
def loaded(blank_folder: Path, qwen3_folder: Path) -> Callable[..., tuple[Any, ChatEncoder]]:
    """A model in training with TRL's fused head, and its encoder."""

    def make(family: str, *, temperature: float = 1.0, device: str = "cpu", **form: Any) -> tuple[Any, ChatEncoder]:
        folder = {"pocket": blank_folder, "qwen3": qwen3_folder}[family]
        torch.manual_seed(7)
        model, processor = load_model(ModelConfig(path=str(folder), device=device, **form), train=True)
        inner = model.get_base_model() if hasattr(model, "get_base_model") else model
        add_fused_lm_head(inner, temperature=temperature, outputs=("log_probs", "entropy"))
        for name, item in model.named_parameters():
            if "lora_B" in name:
                # A new adapter is zero, and zero would pass no gradient to its other half.
                torch.nn.init.normal_(item, std=0.05)
        return model, ChatEncoder(processor)

    return make


def rollouts(encoder: ChatEncoder, groups: Sequence[Any] = GROUPS, *, asked: Protocol = BRIEF) -> list[Rollout]:
    inputs, scripts = [], {}
    for number, group in enumerate(groups):
        pixels = np.random.default_rng(number).integers(0, 256, (*SIZES[number], 3), dtype=np.uint8)
        image, protocol = Image.fromarray(pixels), LONGER if number == 1 else asked
        for sample, lines in enumerate(group):
            key = f"{number}.{sample}"
            scripts[key] = lines
            inputs.append(LoopInput(key, str(number), image, protocol=protocol))
    return as_rollouts(play(ScriptedPolicy(scripts), inputs, BRIEF), encoder)


def packed(model: Any, encoder: ChatEncoder, items: Sequence[Rollout], *, shared: bool) -> Packed:
    return pack(model, items, pad_id=encoder.tokenizer.pad_token_id, shared=shared)


Result = tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]


def with_gradients(model: Any, log_probs: torch.Tensor, entropies: torch.Tensor) -> Result:
    """The same with the gradient of a sum whose weights differ from token to token."""
    weights = torch.randn(log_probs.shape, generator=torch.Generator().manual_seed(3))
    model.zero_grad()
    (weights.to(log_probs.device) * log_probs).sum().backward()
    grads = {name: item.grad.cpu() for name, item in model.named_parameters() if item.grad is not None}
    return log_probs.detach().cpu(), entropies.detach().cpu(), {name: item.clone() for name, item in grads.items()}


def packed_result(model: Any, encoder: ChatEncoder, items: Sequence[Rollout], *, shared: bool) -> Result:
    log_probs, entropies = score(model, packed(model, encoder, items, shared=shared), entropy=True)
    assert entropies is not None
    return with_gradients(model, log_probs, entropies)


def row_by_row(model: Any, encoder: ChatEncoder, items: Sequence[Rollout]) -> Result:
    """Each rollout by itself, without padding and with the model's own head."""
    rows = [[segment_alone(model, encoder, segment) for segment in item.segments] for item in items]
    width = max(item.length for item in items)
    log_probs, entropies = (
        torch.stack([torch.nn.functional.pad(whole, (0, width - len(whole))) for whole in map(torch.cat, parts)])
        for parts in zip(*(zip(*row, strict=True) for row in rows), strict=True)
    )
    return with_gradients(model, log_probs, entropies)


def segment_alone(model: Any, encoder: ChatEncoder, segment: Segment) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities and entropies of one completion behind its prompt."""
    parts = (segment.prompt.encoded, segment.completion)
    start, ids = len(parts[0].input_ids), segment.completion.input_ids
    inputs = {
        "input_ids": torch.tensor([parts[0].input_ids + ids]),
        "pixel_values": torch.cat([part.pixel_values for part in parts if part.pixel_values is not None]),
        "image_grid_thw": torch.cat([part.grid_thw for part in parts if part.grid_thw is not None]),
    }
    inputs["mm_token_type_ids"] = (inputs["input_ids"] == encoder.image_token_id).long()
    every = torch.log_softmax(model(**inputs).logits[0, start - 1 : -1].float(), dim=-1)
    own = torch.tensor(segment.completion.wrote)
    return every.gather(1, torch.tensor(ids)[:, None])[:, 0] * own, -(every.exp() * every).sum(1) * own


def assert_same(made: Result, wanted: Result, *, tolerance: float) -> None:
    """Numbers of tokens, and each gradient as a whole, differ by no more than a share `tolerance` of their size.

    Some gradients are zero but for rounding, such as that of the keys' bias where positions turn nothing; they are held
    to the size of all gradients.
    """
    for mine, its in zip(made[:2], wanted[:2], strict=True):
        assert float(its.abs().max()) > 1
        torch.testing.assert_close(mine, its, rtol=tolerance, atol=tolerance)
    assert made[2].keys() == wanted[2].keys() and made[2]
    whole = torch.stack([item.norm() for item in wanted[2].values()]).norm()
    for name, its in wanted[2].items():
        off = (made[2][name] - its).norm()
        assert off <= tolerance * max(its.norm(), 1e-3 * whole), f"{name}: {off / its.norm():.1e}"


@pytest.mark.parametrize("family", ["pocket", "qwen3"])
@pytest.mark.parametrize("groups", [GROUPS, GROUPS[1:], GROUPS[:1]], ids=["mixed", "no crops", "one group"])
def test_shared_prompts_give_what_the_plain_way_and_single_rows_give(
    loaded: Callable[..., Any], family: str, groups: Any
) -> None:
    model, encoder = loaded(family)
    items = rollouts(encoder, groups)
    shared, plain = (packed_result(model, encoder, items, shared=way) for way in (True, False))
    assert_same(shared, plain, tolerance=1e-5)
    assert_same(shared, row_by_row(model, encoder, items), tolerance=1e-5)


@pytest.mark.parametrize("family", ["pocket", "qwen3"])
@pytest.mark.parametrize("groups", [GROUPS, GROUPS[:1]], ids=["mixed", "one group"])
def test_looks_in_conversations_of_their_own_give_what_each_gives_alone(
    loaded: Callable[..., Any], family: str, groups: Any
) -> None:
    model, encoder = loaded(family)
    items = rollouts(encoder, groups, asked=APART)
    assert [len(item.segments) for item in items][:3] == [2, 1, 2]
    # The second look shows the image again, and the reply that it recalls is context there.
    second = items[0].later[0]
    assert second.prompt.encoded.grid_thw is not None and len(second.prompt.encoded.grid_thw) == 2
    assert not any(second.prompt.encoded.wrote) and all(second.completion.wrote)
    shared, plain = (packed_result(model, encoder, items, shared=way) for way in (True, False))
    assert_same(shared, plain, tolerance=1e-5)
    assert_same(shared, row_by_row(model, encoder, items), tolerance=1e-5)


@ON_A_GPU
@pytest.mark.parametrize("asked", [BRIEF, APART], ids=["append", "segments"])
@pytest.mark.parametrize("family", ["pocket", "qwen3"])
def test_a_gpu_gives_the_numbers_of_a_processor_either_way(
    loaded: Callable[..., Any], family: str, asked: Protocol
) -> None:
    here, encoder = loaded(family)
    there, _ = loaded(family, device="cuda", dtype="float32")
    wanted = packed_result(here, encoder, rollouts(encoder, asked=asked), shared=True)
    for shared in (True, False):
        made = packed_result(there, encoder, rollouts(encoder, asked=asked), shared=shared)
        assert_same(made, wanted, tolerance=1e-3)


@ON_A_GPU
def test_on_a_gpu_shared_prompts_differ_from_the_plain_way_in_nf4_by_rounding_alone(loaded: Callable[..., Any]) -> None:
    model, encoder = loaded("pocket", device="cuda", quantise="nf4", lora=LoraSettings(enabled=True, rank=4))
    items = rollouts(encoder)
    shared, plain = (packed_result(model, encoder, items, shared=way) for way in (True, False))
    assert_same(shared, plain, tolerance=0.05)


def test_first_and_later_looks_apart_give_the_same_numbers_and_hold_less_padding(loaded: Callable[..., Any]) -> None:
    model, encoder = loaded("pocket")
    items = rollouts(encoder, asked=APART)
    pad_id = encoder.tokenizer.pad_token_id
    whole = packed_result(model, encoder, items, shared=True)
    log_probs, entropies = log_probs_of(
        model, items, inner=model, pad_id=pad_id, shared=True, at_once=False, entropy=True
    )
    assert entropies is not None and in_halves(items) == (Looks.FIRST, Looks.LATER)
    assert_same(with_gradients(model, log_probs, entropies), whole, tolerance=1e-5)
    cells = [
        pack(model, items, pad_id=pad_id, shared=True, looks=looks).inputs["input_ids"].numel()
        for looks in (Looks.FIRST, Looks.LATER, Looks.ALL)
    ]
    assert cells[0] + cells[1] < 0.8 * cells[2]


@pytest.mark.filterwarnings("ignore:.*is deprecated and will be removed in v6:FutureWarning")
@pytest.mark.parametrize("form", [{}, {"quantise": "nf4"}], ids=["lora", "nf4 lora"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_an_adapter_gets_the_same_gradients(
    loaded: Callable[..., Any], form: dict[str, Any], checkpointing: bool
) -> None:
    model, encoder = loaded("pocket", lora=LoraSettings(enabled=True, rank=4), **form)
    items = rollouts(encoder)
    plain = packed_result(model, encoder, items, shared=False)
    if checkpointing:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    shared = packed_result(model, encoder, items, shared=True)
    assert all("lora" in name for name in plain[2])
    assert_same(shared, plain, tolerance=1e-5)


@pytest.mark.filterwarnings("ignore:.*is deprecated and will be removed in v6:FutureWarning")
def test_gradient_checkpointing_changes_nothing(loaded: Callable[..., Any]) -> None:
    model, encoder = loaded("qwen3")
    items = rollouts(encoder)
    plain = packed_result(model, encoder, items, shared=False)
    model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    runs: list[int] = []
    model.model.language_model.layers[0].self_attn.register_forward_hook(lambda *_: runs.append(1))
    assert_same(packed_result(model, encoder, items, shared=True), plain, tolerance=1e-5)
    # Forward, and once more on the way back.
    assert len(runs) == 2


def test_eager_attention_takes_the_same_mask(loaded: Callable[..., Any]) -> None:
    model, encoder = loaded("pocket", attention="eager")
    items = rollouts(encoder)
    shared, plain = (packed_result(model, encoder, items, shared=way) for way in (True, False))
    assert_same(shared, plain, tolerance=1e-5)


def test_logits_are_divided_by_the_temperature(loaded: Callable[..., Any]) -> None:
    (warm, encoder), (plain, _) = loaded("pocket", temperature=2.0), loaded("pocket")
    items = rollouts(encoder, GROUPS[1:2])
    hot, _ = score(warm, packed(warm, encoder, items, shared=True))
    with torch.no_grad():
        plain.lm_head.weight.mul_(0.5)
    torch.testing.assert_close(hot, score(plain, packed(plain, encoder, items, shared=True))[0], rtol=1e-5, atol=1e-5)
    assert not torch.allclose(hot, score(warm, packed(warm, encoder, items, shared=False))[0] * 2, atol=1e-2)


def test_what_goes_through_the_model_is_each_prompt_once(loaded: Callable[..., Any]) -> None:
    model, encoder = loaded("pocket")
    # Two groups that are alike, so that nothing is padded.
    items = rollouts(encoder, (GROUPS[0],)) + rollouts(encoder, (GROUPS[0],))
    seen: list[tuple[int, int]] = []
    model.get_input_embeddings().register_forward_hook(lambda _m, given, _o: seen.append((given[0].numel(), 0)))
    model.model.visual.register_forward_hook(
        lambda _m, given, named, _o: seen.append((0, len(named.get("grid_thw", given[-1])))), with_kwargs=True
    )
    for shared in (True, False):
        score(model, packed(model, encoder, items, shared=shared))
    prompt = len(items[0].prompt.encoded.input_ids) - 1
    lengths = [len(item.completion.input_ids) for item in items]
    once, each = 2 * prompt + sum(lengths), 6 * (prompt + max(lengths))
    totals = [tuple(map(sum, zip(*pair, strict=True))) for pair in (seen[:2], seen[2:])]
    assert totals == [(once, 2 + 4), (each, 6 + 4)]


def test_only_neighbours_share_a_prompt_and_the_order_is_kept(loaded: Callable[..., Any]) -> None:
    model, encoder = loaded("pocket")
    items = rollouts(encoder)
    order = [4, 0, 5, 2, 1, 3]
    mixed = [items[place] for place in order]
    assert len(packed(model, encoder, items, shared=True).inputs["input_ids"]) == 3
    assert len(packed(model, encoder, mixed, shared=True).inputs["input_ids"]) == 5
    straight, _ = score(model, packed(model, encoder, items, shared=True))
    turned, _ = score(model, packed(model, encoder, mixed, shared=True))
    torch.testing.assert_close(turned, straight[order], rtol=1e-5, atol=1e-5)


def test_what_the_agent_did_not_write_has_no_number(loaded: Callable[..., Any]) -> None:
    model, encoder = loaded("pocket")
    items = rollouts(encoder)
    log_probs, entropies = score(model, packed(model, encoder, items, shared=True), entropy=True)
    own = torch.zeros(log_probs.shape, dtype=torch.bool)
    for row, item in enumerate(items):
        own[row, : len(item.completion.wrote)] = torch.tensor(item.completion.wrote)
    assert torch.equal(log_probs != 0, own)
    assert entropies is not None and torch.equal(entropies != 0, own)


def test_pieces_are_whole_groups_in_order_and_as_few_as_their_size_allows(
    loaded: Callable[..., tuple[Any, ChatEncoder]], monkeypatch: pytest.MonkeyPatch
) -> None:
    items = rollouts(loaded("pocket")[1])
    groups = by_prompt(items)
    sizes = [
        len(group[0].prompt.encoded.input_ids) + sum(len(item.completion.input_ids) for item in group)
        for group in groups
    ]
    assert len(groups) > 1
    assert pieces(items) == [items]
    monkeypatch.setattr("loupe.grpo.packing._PIECE", sum(sizes))
    assert pieces(items) == [items]
    # One token too few for all of them; then too few for any.
    monkeypatch.setattr("loupe.grpo.packing._PIECE", sum(sizes) - 1)
    assert pieces(items) == [[item for group in groups[:-1] for item in group], groups[-1]]
    monkeypatch.setattr("loupe.grpo.packing._PIECE", 1)
    assert pieces(items) == groups


@pytest.mark.parametrize("shared", [True, False])
def test_pieces_one_by_one_give_the_numbers_and_gradients_of_all_at_once(
    loaded: Callable[..., tuple[Any, ChatEncoder]], shared: bool
) -> None:
    model, encoder = loaded("pocket")
    items = rollouts(encoder)
    whole = packed_result(model, encoder, items, shared=shared)
    parts = [score(model, packed(model, encoder, part, shared=shared), entropy=True) for part in by_prompt(items)]
    found = with_gradients(
        model, joined([part for part, _ in parts]), joined([part for _, part in parts if part is not None])
    )
    assert_same(found, whole, tolerance=1e-5)
