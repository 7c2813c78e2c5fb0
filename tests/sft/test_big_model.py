"""The recipe for 7B, as its config says it, on a Qwen2.5-VL of a few million weights: NF4, an adapter, bfloat16."""

from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file

from loupe.core.config import load_config
from loupe.core.files import read_json, read_jsonl
from loupe.core.model.loading import load_model
from loupe.sft.config import SftConfig
from loupe.sft.rationales.config import RationalesConfig
from loupe.sft.train import run_sft

CONFIG = Path(__file__).parents[2] / "configs" / "qwen2_5_vl_7b" / "sft.yaml"


def test_the_stages_of_the_recipe_speak_one_protocol() -> None:
    stages = {"rationales": RationalesConfig, "sft": SftConfig}
    spoken = {name: load_config(kind, CONFIG.with_name(f"{name}.yaml")).protocol for name, kind in stages.items()}
    spoken["grpo"] = yaml.safe_load(CONFIG.with_name("grpo.yaml").read_text())["protocol"]
    assert len(set(spoken.values())) == 1, spoken


def test_the_recipe_for_7b_runs_two_steps_on_a_tiny_model(
    tmp_path: Path, synthetic_folder: Path, blank_folder: Path
) -> None:
    out = tmp_path / "run"
    small = ["num_train_epochs=-1", "max_steps=2", "gradient_accumulation_steps=2", "use_cpu=true", "logging_steps=1"]
    words = [
        f"model.path={blank_folder}",
        "model.device=cpu",
        f"data={synthetic_folder}",
        f"out={out}",
        "eval_every=1",
        "probe_images=1",
        "trainer.learning_rate=0.01",
        "trainer.warmup_steps=0",
        *(f"trainer.{word}" for word in small),
    ]
    config = load_config(SftConfig, CONFIG, words)
    assert (config.model.quantise, config.model.lora.enabled, config.max_tokens > 0) == ("nf4", True, True)
    folder = run_sft(config)
    rows = read_jsonl(out / "metrics.jsonl")
    assert len([row for row in rows if "loss" in row]) == len([row for row in rows if "eval_loss" in row]) == 2
    adapter = load_file(folder / "adapter_model.safetensors")
    assert adapter
    assert all("lora_" in name for name in adapter)
    assert all("language_model" in name for name in adapter)
    assert any(tensor.abs().max() > 0 for name, tensor in adapter.items() if "lora_B" in name)
    best = read_json(out / "best.json")["step"]
    kept = load_file(out / "checkpoints" / f"checkpoint-{best}" / "adapter_model.safetensors")
    assert all(torch.equal(adapter[name].float(), kept[name].float()) for name in adapter)
    config.model.path, config.model.lora.enabled = str(folder), False
    model, _ = load_model(config.model)
    assert any("4bit" in type(module).__name__ for module in model.modules())
