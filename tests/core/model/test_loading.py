"""One factory loads every family, gives back what was saved bit for bit, and refuses in one line what cannot work."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Qwen2_5_VLForConditionalGeneration, Qwen3VLForConditionalGeneration

from loupe.core.errors import ModelError
from loupe.core.model.fast_vision import BatchedVisionAttention
from loupe.core.model.loading import ModelConfig, load_model, save_model
from loupe.core.model.pocket import build_pocket
from loupe.core.model.processors import build_pocket_processor

Ask = Callable[[Any, Any], torch.Tensor]


@pytest.fixture(params=["pocket", "qwen3"])
def folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(f"{request.param}_folder")


def copied(source: Path, target: Path, **config: Any) -> Path:
    """A copy of a model folder, with changes to its config.json."""
    shutil.copytree(source, target)
    settings = json.loads((target / "config.json").read_text()) | config
    (target / "config.json").write_text(json.dumps(settings))
    return target


def test_saving_and_loading_gives_the_same_logits_bit_for_bit(folder: Path, tmp_path: Path, logits_of: Ask) -> None:
    model, processor = load_model(ModelConfig(path=str(folder)))
    save_model(model, processor, tmp_path / "again")
    assert torch.equal(logits_of(model, processor), logits_of(*load_model(ModelConfig(path=str(tmp_path / "again")))))


def test_a_model_that_was_just_built_is_the_one_that_is_loaded(pocket_folder: Path, logits_of: Ask) -> None:
    processor = build_pocket_processor()
    built = build_pocket(processor.tokenizer, seed=5)
    # Loading batches the vision tower, which is the same up to rounding.
    torch.testing.assert_close(
        logits_of(*load_model(ModelConfig(path=str(pocket_folder)))),
        logits_of(built, processor),
        rtol=1e-5,
        atol=1e-4,
    )


def test_each_family_gets_its_own_class(pocket_folder: Path, qwen3_folder: Path) -> None:
    assert type(load_model(ModelConfig(path=str(pocket_folder)))[0]) is Qwen2_5_VLForConditionalGeneration
    assert type(load_model(ModelConfig(path=str(qwen3_folder)))[0]) is Qwen3VLForConditionalGeneration


def test_a_loaded_model_is_float32_on_a_cpu_pads_left_and_does_not_train(folder: Path) -> None:
    model, processor = load_model(ModelConfig(path=str(folder), device="cpu"))
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}
    assert processor.tokenizer.padding_side == "left"
    assert not model.training
    assert load_model(ModelConfig(path=str(folder)), train=True)[0].training


def test_bfloat16_is_loaded_where_it_is_asked_for(pocket_folder: Path) -> None:
    model, _ = load_model(ModelConfig(path=str(pocket_folder), dtype="bfloat16"))
    assert {weight.dtype for weight in model.parameters()} == {torch.bfloat16}


def test_the_vision_tower_of_the_pocket_family_is_batched(pocket_folder: Path) -> None:
    model, _ = load_model(ModelConfig(path=str(pocket_folder)))
    assert {type(block.attn) for block in model.model.visual.blocks} == {BatchedVisionAttention}


def test_the_attention_that_is_asked_for_is_used(pocket_folder: Path) -> None:
    model, _ = load_model(ModelConfig(path=str(pocket_folder), attention="eager"))
    assert model.config._attn_implementation == "eager"


def test_pixel_limits_bound_the_visual_tokens_and_are_saved(pocket_folder: Path, tmp_path: Path) -> None:
    model, processor = load_model(ModelConfig(path=str(pocket_folder), max_pixels=60 * 60))
    save_model(model, processor, tmp_path / "small")
    for made in (processor, load_model(ModelConfig(path=str(tmp_path / "small")))[1]):
        assert made.image_processor(images=[Image.new("RGB", (300, 300))])["image_grid_thw"].tolist() == [[1, 4, 4]]
        assert dict(made.image_processor.size) == {"shortest_edge": 784, "longest_edge": 3600}


def test_pixel_limits_that_cross_are_refused(pocket_folder: Path) -> None:
    with pytest.raises(ModelError, match="min_pixels 784 is above max_pixels 100"):
        load_model(ModelConfig(path=str(pocket_folder), max_pixels=100))


def test_a_new_model_replaces_the_old_one_and_leaves_nothing_beside_it(pocket_folder: Path, tmp_path: Path) -> None:
    model, processor = load_model(ModelConfig(path=str(pocket_folder)))
    target = tmp_path / "runs" / "model"
    save_model(model, processor, target)
    (target / "stale.safetensors").write_bytes(b"")
    with torch.no_grad():
        model.lm_head.weight.zero_()
    save_model(model, processor, target)
    assert [item.name for item in target.parent.iterdir()] == ["model"]
    assert not (target / "stale.safetensors").exists()
    assert not load_file(target / "model.safetensors")["lm_head.weight"].any()


def test_whoever_may_read_the_processor_may_read_the_weights(pocket_folder: Path) -> None:
    assert len({item.stat().st_mode for item in pocket_folder.iterdir()}) == 1


def test_loading_a_plain_model_needs_neither_peft_nor_bitsandbytes(pocket_folder: Path) -> None:
    code = (
        "import sys\n"
        "from loupe.core.model.loading import ModelConfig, load_model\n"
        f"load_model(ModelConfig(path={str(pocket_folder)!r}))\n"
        "assert not {'peft', 'bitsandbytes', 'trl'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert not done.stdout
    assert not done.stderr


def test_a_failed_save_leaves_the_old_model_as_it_was(pocket_folder: Path, tmp_path: Path) -> None:
    class Broken:
        def save_pretrained(self, folder: Path) -> None:
            raise OSError("disk full")

    model, processor = load_model(ModelConfig(path=str(pocket_folder)))
    save_model(model, processor, tmp_path / "model")
    before = {item.name: item.read_bytes() for item in (tmp_path / "model").iterdir()}
    with pytest.raises(OSError, match="disk full"):
        save_model(model, Broken(), tmp_path / "model")
    assert {item.name: item.read_bytes() for item in (tmp_path / "model").iterdir()} == before
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


def test_a_folder_with_other_things_in_it_is_never_replaced(pocket_folder: Path, tmp_path: Path) -> None:
    model, processor = load_model(ModelConfig(path=str(pocket_folder)))
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "metrics.jsonl").write_text("")
    save_model(model, processor, tmp_path / "model")
    (tmp_path / "model" / "checkpoint-100").mkdir()
    for name in ("run", "model"):
        with pytest.raises(ModelError, match="would be lost; choose an empty folder"):
            save_model(model, processor, tmp_path / name)
    with pytest.raises(ModelError, match="is a file"):
        save_model(model, processor, tmp_path / "run" / "metrics.jsonl")


def test_weights_that_lack_a_tensor_are_refused(pocket_folder: Path, tmp_path: Path) -> None:
    folder = copied(pocket_folder, tmp_path / "short")
    weights = load_file(folder / "model.safetensors")
    del weights["lm_head.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 weights, such as lm_head\.weight"):
        load_model(ModelConfig(path=str(folder)))


def test_weights_of_another_size_are_refused(pocket_folder: Path, tmp_path: Path) -> None:
    folder = copied(pocket_folder, tmp_path / "other")
    weights = load_file(folder / "model.safetensors")
    weights["lm_head.weight"] = weights["lm_head.weight"][:64].clone()
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="cannot make a model of"):
        load_model(ModelConfig(path=str(folder)))


def test_a_torn_weight_file_is_refused(pocket_folder: Path, tmp_path: Path) -> None:
    folder = copied(pocket_folder, tmp_path / "torn")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(ModelError, match="cannot make a model of"):
        load_model(ModelConfig(path=str(folder)))


def test_code_beside_the_weights_is_never_run(pocket_folder: Path, tmp_path: Path) -> None:
    folder = copied(
        pocket_folder,
        tmp_path / "code",
        auto_map={"AutoModelForImageTextToText": "trap.Trap", "AutoConfig": "trap.Trap"},
    )
    (folder / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\n")
    assert type(load_model(ModelConfig(path=str(folder)))[0]) is Qwen2_5_VLForConditionalGeneration
    assert not (tmp_path / "sprung").exists()


def test_a_model_without_its_tokenizer_is_refused(pocket_folder: Path, tmp_path: Path) -> None:
    folder = copied(pocket_folder, tmp_path / "mute")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).unlink()
    with pytest.raises(ModelError, match="is not that of the model"):
        load_model(ModelConfig(path=str(folder)))


def test_a_gpu_that_is_not_there_is_refused(pocket_folder: Path) -> None:
    with pytest.raises(ModelError, match="device cuda:99 is not there"):
        load_model(ModelConfig(path=str(pocket_folder), device="cuda:99"))


def test_an_unknown_model_is_one_line() -> None:
    with pytest.raises(ModelError, match="no model 'nowhere'") as caught:
        load_model(ModelConfig(path="nowhere"))
    assert "\n" not in str(caught.value)
