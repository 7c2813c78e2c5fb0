"""A model folder that cannot be opened safely, or at all, is refused in one line that says what to do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import ModelError
from loupe.core.model import checkpoints
from loupe.core.model.checkpoints import checkpoint_path, find_model, model_folder


def put(folder: Path, name: str, content: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))


def refusal(call: Callable[[], Any]) -> str:
    with pytest.raises(ModelError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_good_folder_is_found_as_it_is(pocket_folder: Path) -> None:
    found = find_model(pocket_folder)
    assert (found.name, found.folder, found.base) == (str(pocket_folder), pocket_folder, None)
    assert found.config["model_type"] == "qwen2_5_vl"
    assert not found.is_quantised


def test_a_folder_that_does_not_exist_is_named_with_what_would_do() -> None:
    for name in ("./nowhere", "/no/such/place", "a/b/c", "pocket-bose", ""):
        message = refusal(lambda name=name: find_model(name))
        assert message.startswith(f"no model {name!r}; give a folder that exists")
    assert "pocket-base, pocket-agent" in refusal(lambda: find_model("pocket-bose"))


def test_a_file_is_no_folder(pocket_folder: Path) -> None:
    assert "is a file" in refusal(lambda: find_model(pocket_folder / "model.safetensors"))


def test_an_empty_folder_holds_no_config(tmp_path: Path) -> None:
    assert "holds no config.json and no adapter_config.json" in refusal(lambda: find_model(tmp_path))


def test_a_broken_config_is_named(tmp_path: Path) -> None:
    put(tmp_path, "config.json", "{")
    assert "config.json is not JSON" in refusal(lambda: find_model(tmp_path))


@pytest.mark.parametrize("config", [{"model_type": "qwen2"}, {"model_type": "llama"}, {}, {"model_type": ["qwen3_vl"]}])
def test_a_model_that_does_not_see_is_refused(tmp_path: Path, config: dict[str, Any]) -> None:
    put(tmp_path, "config.json", config)
    message = refusal(lambda: find_model(tmp_path))
    assert f"type {config.get('model_type')!r}; wanted a vision-language model" in message


@pytest.mark.parametrize("name", ["pytorch_model.bin", "consolidated.00.pth"])
def test_weights_in_a_pickle_are_refused(tmp_path: Path, name: str) -> None:
    put(tmp_path, "config.json", {"model_type": "qwen3_vl"})
    put(tmp_path, name, "pickle")
    message = refusal(lambda: find_model(tmp_path))
    assert f"pickle ({name})" in message
    assert "convert it to safetensors" in message


def test_a_pickle_beside_safe_weights_does_no_harm(pocket_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(pocket_folder, tmp_path / "both")
    put(tmp_path / "both", "training_args.bin", "pickle")
    assert find_model(tmp_path / "both").folder == tmp_path / "both"


def test_a_folder_without_weights_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "config.json", {"model_type": "qwen3_vl"})
    assert "holds no weights" in refusal(lambda: find_model(tmp_path))


@pytest.mark.parametrize("shard", ["model-00002-of-00002.safetensors", "../shard.safetensors", 3])
def test_every_shard_that_the_index_names_lies_in_the_folder(tmp_path: Path, shard: Any) -> None:
    folder = tmp_path / "sharded"
    put(folder, "config.json", {"model_type": "qwen2_5_vl"})
    put(tmp_path, "shard.safetensors", "")
    put(folder, "model-00001-of-00002.safetensors", "")
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    put(folder, "model.safetensors.index.json", index)
    assert find_model(folder).folder == folder
    index["weight_map"]["b"] = shard
    put(folder, "model.safetensors.index.json", index)
    assert "lacks 1 of the 2 files" in refusal(lambda: find_model(folder))


@pytest.mark.parametrize("index", [{}, {"weight_map": []}, {"weight_map": {}}, {"weight_map": {"a": ["x"]}}])
def test_an_index_that_names_no_files_is_refused(tmp_path: Path, index: dict[str, Any]) -> None:
    put(tmp_path, "config.json", {"model_type": "qwen2_5_vl"})
    put(tmp_path, "model.safetensors.index.json", index)
    assert "names; copy it again" in refusal(lambda: find_model(tmp_path))


def test_an_adapter_brings_its_base(pocket_folder: Path, tmp_path: Path) -> None:
    put(tmp_path, "adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": str(pocket_folder)})
    put(tmp_path, "adapter_model.safetensors", "")
    found = find_model(tmp_path)
    assert found.base is not None
    assert found.base.folder == pocket_folder
    assert found.config["model_type"] == "qwen2_5_vl"


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"peft_type": "LORA"}, "does not name its base"),
        ({"peft_type": "LORA", "base_model_name_or_path": 3}, "does not name its base"),
        ({"peft_type": "LORA", "base_model_name_or_path": "/gone"}, "no model '/gone'"),
        ({"peft_type": "PREFIX_TUNING", "base_model_name_or_path": "/gone"}, "wanted LORA"),
    ],
)
def test_an_adapter_that_cannot_be_used_says_why(tmp_path: Path, settings: dict[str, Any], reason: str) -> None:
    put(tmp_path, "adapter_config.json", settings)
    put(tmp_path, "adapter_model.safetensors", "")
    assert reason in refusal(lambda: find_model(tmp_path))


def test_an_adapter_in_a_pickle_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": "x"})
    put(tmp_path, "adapter_model.bin", "pickle")
    assert "pickle (adapter_model.bin)" in refusal(lambda: find_model(tmp_path))


def test_an_adapter_on_an_adapter_is_refused(tmp_path: Path) -> None:
    for name in ("one", "two"):
        put(tmp_path / name, "adapter_model.safetensors", "")
        settings = {"peft_type": "LORA", "base_model_name_or_path": str(tmp_path / "one")}
        put(tmp_path / name, "adapter_config.json", settings)
    assert "is an adapter too" in refusal(lambda: find_model(tmp_path / "two"))
    assert "is an adapter too" in refusal(lambda: find_model(tmp_path / "one"))


def test_a_hub_id_without_a_network_says_what_to_check(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    message = refusal(lambda: find_model("nobody/no-such-model"))
    assert message.startswith("nobody/no-such-model is no folder here, and the hub did not give it")
    assert "HF_HUB_OFFLINE" in message


def test_the_hub_is_asked_for_plain_data_only(pocket_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def snapshot_download(name: str, **options: Any) -> str:
        asked.update(name=name, **options)
        return str(pocket_folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert find_model("Qwen/Some-VL").folder == pocket_folder
    assert asked["name"] == "Qwen/Some-VL"
    assert {Path(pattern).suffix for pattern in asked["allow_patterns"]} == {".json", ".safetensors", ".jinja", ".txt"}


def test_a_checkpoint_that_is_not_installed_is_missing_and_not_looked_for_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "files", lambda package: tmp_path)
    assert "the checkpoint pocket-base is missing" in refusal(lambda: model_folder("pocket-base"))
    put(tmp_path / "checkpoints" / "pocket-base", "config.json", {})
    assert model_folder("pocket-base") == tmp_path / "checkpoints" / "pocket-base"


def test_only_shipped_names_are_package_data() -> None:
    for name in ("../pocket-base", "pocket", ""):
        assert "comes with the package" in refusal(lambda name=name: checkpoint_path(name))
