"""Where a model lies, and whether its folder may be opened: everything that can be known before torch is loaded.

A model is named by a checkpoint that comes with the package, a local folder, or an id on the hub; the last is copied
into the hub's cache and is then a folder like the others. Only plain data is ever opened: weights in safetensors, never
pickles, and never code that lies beside them.
"""

import re
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from loupe.core.errors import DataError, ModelError
from loupe.core.files import read_json

SHIPPED = ("pocket-base", "pocket-agent")
"""Checkpoints that come with the package. `./pocket-base` names a folder of the user's own."""
FAMILIES = ("qwen2_5_vl", "qwen3_vl")
"""`model_type` of the vision-language models that can be loaded."""
CONFIG, ADAPTER_CONFIG = "config.json", "adapter_config.json"
WEIGHTS, INDEX, ADAPTER_WEIGHTS = "model.safetensors", "model.safetensors.index.json", "adapter_model.safetensors"

_HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_PLAIN = ["*.json", "*.safetensors", "*.jinja", "*.txt"]


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """A model folder that passed all checks. `name` is how the user named it; `base` is set for an adapter."""

    name: str
    folder: Path
    base: "ModelFolder | None" = None

    @property
    def config(self) -> dict[str, Any]:
        """The architecture's `config.json`, that of the base for an adapter."""
        return _json((self.base or self).folder / CONFIG)

    @property
    def is_quantised(self) -> bool:
        """True where the weights on disk are quantised already."""
        return "quantization_config" in self.config


def find_model(path: str | Path) -> ModelFolder:
    """The checked folder of a shipped name, a local folder or a hub id, and of its base where it is an adapter.

    Raises ModelError where there is none, or where it is not a supported model in safetensors.
    """
    folder = model_folder(path)
    if not _is_adapter(folder):
        _check_model(folder)
        return ModelFolder(str(path), folder)
    name = _base_of(folder)
    remedy = f"write the path or hub id of a full model as base_model_name_or_path into {folder / ADAPTER_CONFIG}"
    try:
        base = model_folder(name)
        if _is_adapter(base):
            raise ModelError(f"{name} is an adapter too")
        _check_model(base)
    except ModelError as error:
        raise ModelError(f"the base of the adapter {folder} cannot be used: {error}; {remedy}") from error
    return ModelFolder(str(path), folder, ModelFolder(name, base))


def model_folder(path: str | Path) -> Path:
    """Folder of a shipped name, a local folder or a hub id; what is in it is not looked at. Raises ModelError."""
    name = str(path)
    if name in SHIPPED:
        return checkpoint_path(name)
    folder = Path(path).expanduser()
    if name and folder.is_dir():
        return folder
    if name and folder.exists():
        raise ModelError(f"{name} is a file; wanted the folder that holds {CONFIG} and the weights")
    if not _HUB_ID.fullmatch(name):
        raise ModelError(
            f"no model {name!r}; give a folder that exists, a hub id such as Qwen/Qwen2.5-VL-7B-Instruct, "
            f"or one of {', '.join(SHIPPED)}"
        )
    return _from_hub(name)


def checkpoint_path(name: str) -> Path:
    """Folder of a checkpoint that comes with the package. Raises ModelError for another name or no files."""
    if name not in SHIPPED:
        raise ModelError(f"no checkpoint {name!r} comes with the package; known are {', '.join(SHIPPED)}")
    folder = Path(str(files("loupe.core.model"))) / "checkpoints" / name
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"the checkpoint {name} is missing from {folder}; install loupe-core again, or run make pocket"
        )
    return folder


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    try:
        return Path(snapshot_download(name, allow_patterns=_PLAIN, ignore_patterns=["*/*"]))
    # The library's network errors are OSErrors, those of being offline included.
    except (OSError, HFValidationError) as error:
        raise ModelError(
            f"{name} is no folder here, and the hub did not give it ({type(error).__name__}); "
            "check the name, the network and HF_HUB_OFFLINE, or download it once and give its folder"
        ) from error


def _is_adapter(folder: Path) -> bool:
    return (folder / ADAPTER_CONFIG).is_file()


def _base_of(folder: Path) -> str:
    """Name of the base that a LoRA adapter was made for."""
    if not (folder / ADAPTER_WEIGHTS).is_file():
        raise ModelError(f"{folder} {_no_weights(folder, ADAPTER_WEIGHTS)}")
    settings = _json(folder / ADAPTER_CONFIG)
    if settings.get("peft_type") != "LORA":
        raise ModelError(f"{folder} is a {settings.get('peft_type')!r} adapter; wanted LORA; give another folder")
    name = settings.get("base_model_name_or_path")
    if not isinstance(name, str) or not name:
        raise ModelError(
            f"the adapter {folder} does not name its base; "
            f"write a path or hub id as base_model_name_or_path into {ADAPTER_CONFIG}"
        )
    return name


def _check_model(folder: Path) -> None:
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"{folder} holds no {CONFIG} and no {ADAPTER_CONFIG}; give the folder that a model was saved in"
        )
    found = _json(folder / CONFIG).get("model_type")
    if found not in FAMILIES:
        raise ModelError(
            f"{folder} holds a model of type {found!r}; wanted a vision-language model, one of {', '.join(FAMILIES)}"
        )
    if (folder / WEIGHTS).is_file():
        return
    if not (folder / INDEX).is_file():
        raise ModelError(f"{folder} {_no_weights(folder, WEIGHTS)}")
    shards = _json(folder / INDEX).get("weight_map")
    names = {str(name) for name in shards.values()} if isinstance(shards, dict) else set[str]()
    missing = [name for name in names if Path(name).name != name or not (folder / name).is_file()]
    if missing or not names:
        raise ModelError(f"{folder} lacks {len(missing)} of the {len(names)} files that {INDEX} names; copy it again")


def _no_weights(folder: Path, wanted: str) -> str:
    pickles = sorted(item.name for item in folder.iterdir() if item.suffix in _PICKLES)
    if not pickles:
        return f"holds no weights; wanted {wanted}; copy the folder again, or give another one"
    return (
        f"holds its weights as a pickle ({pickles[0]}), which can run code when it is opened; "
        f"wanted {wanted}; convert it to safetensors where you trust its maker"
    )


def _json(path: Path) -> dict[str, Any]:
    try:
        return read_json(path)
    except DataError as error:
        raise ModelError(str(error)) from error
