"""Settings of a model are typed, and nonsense is refused before anything heavy is loaded."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from loupe.core.config import load_config
from loupe.core.errors import ConfigError
from loupe.core.model.model_config import LANGUAGE_LAYERS, LoraSettings, ModelConfig


def test_a_file_and_overrides_reach_the_nested_settings(tmp_path: Path) -> None:
    (tmp_path / "model.yaml").write_text("path: Qwen/Qwen2.5-VL-7B-Instruct\nquantise: nf4\nlora:\n  enabled: true\n")
    config = load_config(ModelConfig, tmp_path / "model.yaml", ["lora.rank=8", "max_pixels=1003520", "min_pixels=null"])
    assert config == ModelConfig(
        path="Qwen/Qwen2.5-VL-7B-Instruct",
        quantise="nf4",
        lora=LoraSettings(enabled=True, rank=8),
        max_pixels=1003520,
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("dtype", "int8"),
        ("quantise", "NF4"),
        ("attention", "fast"),
        ("device", "gpu"),
        ("device", "cuda:x"),
        ("max_pixels", 0),
        ("min_pixels", -1),
    ],
)
def test_a_value_that_means_nothing_is_refused_by_name(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"^{field}: got {value!r}; wanted"):
        ModelConfig(**{field: value})


@pytest.mark.parametrize(
    "fields", [{"rank": 0}, {"alpha": 0}, {"dropout": 1.0}, {"dropout": -0.1}, {"targets": "(q|k_proj"}]
)
def test_an_adapter_that_cannot_be_made_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"^lora"):
        LoraSettings(**fields)


@pytest.mark.parametrize(
    ("path", "adapted"),
    [
        ("model.language_model.layers.3.self_attn.q_proj", True),
        ("model.language_model.layers.27.mlp.down_proj", True),
        ("model.visual.blocks.0.mlp.gate_proj", False),
        ("model.visual.blocks.0.attn.qkv", False),
        ("model.visual.merger.mlp.0", False),
        ("lm_head", False),
    ],
)
def test_adapters_go_on_language_layers_alone(path: str, adapted: bool) -> None:
    assert (re.fullmatch(LANGUAGE_LAYERS, path) is not None) is adapted


def test_settings_checks_and_hashes_are_known_without_torch() -> None:
    code = (
        "import sys, loupe.core.model.model_config, loupe.core.model.checkpoints, loupe.core.model.hashing\n"
        "assert not {'torch', 'transformers', 'huggingface_hub'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
