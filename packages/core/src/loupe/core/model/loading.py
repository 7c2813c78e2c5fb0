"""From the name of a model to a model and its processor, and back into a folder: the one factory, for every size.

The pocket agent, Qwen2.5-VL and Qwen3-VL take the same way, plain or in NF4, with or without a LoRA adapter (Hu et al.
2021; NF4 and double quantisation: Dettmers et al. 2023, section 3). Two things are kept out of NF4: the vision tower,
because what a quality judge sees is its evidence, and the output layer. Gradient checkpointing, casts of adapters and
everything else that only training needs is left to the trainers.
"""

import os
import secrets
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from transformers import AutoModelForImageTextToText, BitsAndBytesConfig
from transformers.utils import logging

from loupe.core.errors import ModelError
from loupe.core.model.checkpoints import ADAPTER_CONFIG, CONFIG, ModelFolder, checkpoint_path, find_model
from loupe.core.model.fast_vision import speed_up_vision
from loupe.core.model.grouped_attention import use_grouped_attention
from loupe.core.model.model_config import LoraSettings, ModelConfig
from loupe.core.model.processors import has_processor, load_processor

__all__ = ["LoraSettings", "ModelConfig", "checkpoint_path", "load_model", "merge_adapter", "save_model"]

NOT_NF4 = ["model.visual", "lm_head"]
"""Modules that stay as they are. The whole path of the tower: the bare word `visual` would match nothing."""

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
_UNREADABLE = (OSError, ValueError, RuntimeError, ImportError, SafetensorError, StrictDataclassError)
"""What the libraries raise for a folder that they cannot make a model of, or a setting that this machine cannot do."""


def load_model(config: ModelConfig, *, train: bool = False) -> tuple[Any, Any]:
    """(model, processor), ready to judge, or to train: an adapter is frozen unless `train`.

    A new adapter draws its weights from torch's global generator and changes no output before its first step.
    Raises ModelError where the folder, the hub, the device or the combination of settings does not allow it.
    """
    found = find_model(config.path)
    if found.base is not None and config.lora.enabled:
        raise ModelError(
            f"{found.name} is an adapter already; set lora.enabled=false to go on with it, or merge it first"
        )
    if train and config.quantise == "nf4" and found.base is None and not config.lora.enabled:
        raise ModelError("weights in NF4 cannot be trained; set lora.enabled=true, or quantise=none")
    base = found.base or found
    with _explained(found.name), _quietly():
        model = _load_weights(base, config)
        speed_up_vision(model)
        use_grouped_attention(model)
        if train:
            _keep_nf4_trainable(model)
        if found.base is not None:
            model = _with_saved_adapter(model, found, train=train)
        elif config.lora.enabled:
            model = _with_new_adapter(model, config.lora)
        source = found if has_processor(found.folder) else base
        processor = load_processor(source.folder, model_type=model.config.model_type)
    if processor.tokenizer.convert_tokens_to_ids("<|image_pad|>") != model.config.image_token_id:
        raise ModelError(f"the tokenizer in {source.folder} is not that of the model; copy both again")
    _limit_pixels(processor.image_processor, config)
    return model.train(train), processor


def save_model(model: Any, processor: Any, folder: Path | str) -> None:
    """Write model and processor to `folder`, all or nothing; of a model with an adapter, the adapter alone.

    A model that was there before is replaced as a whole. Raises ModelError where `folder` holds something else.
    """
    target = _checked_target(folder)
    part = target.with_name(f".{target.name}.{secrets.token_hex(6)}.part")
    part.mkdir(parents=True)
    try:
        with _quietly():
            if hasattr(model, "get_base_model"):
                # A reference copy that a trainer keeps beside the adapter is none of the reader's business.
                model.save_pretrained(part, selected_adapters=["default"], save_embedding_layers=False)
                (part / "README.md").unlink(missing_ok=True)
            else:
                model.save_pretrained(part)
            processor.save_pretrained(part)
        # The weights are written for their owner alone; a model folder is for whoever may read the rest of it.
        mode = (part / "tokenizer_config.json").stat().st_mode
        for item in part.iterdir():
            item.chmod(mode)
        _put_in_place(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def merge_adapter(folder: Path | str, out: Path | str) -> None:
    """Write to `out` the model that an adapter folder and its base make together, in the base's own precision.

    The base is read as it is on disk, so an adapter that was trained on NF4 is merged into the full weights. A base
    that is itself stored quantised is refused, for its rounding would swallow the adapter. Raises ModelError.
    """
    _checked_target(out)
    found = find_model(folder)
    if found.base is None:
        raise ModelError(f"{folder} is no adapter; wanted a folder with {ADAPTER_CONFIG}; there is nothing to merge")
    if found.base.is_quantised:
        raise ModelError(
            f"the base {found.base.name} is stored quantised, and merging into it would round the adapter away; "
            f"write the unquantised base into {found.folder / ADAPTER_CONFIG} and merge again"
        )
    stored = found.config.get("dtype", found.config.get("torch_dtype"))
    dtype = stored if stored in _DTYPES else "float32"
    model, processor = load_model(ModelConfig(path=str(folder), dtype=dtype, device="cpu"))
    with _explained(found.name):
        merged = model.merge_and_unload(safe_merge=True)
    save_model(merged, processor, out)


def _load_weights(base: ModelFolder, config: ModelConfig) -> Any:
    device = _device(config.device)
    dtype = _DTYPES.get(config.dtype, torch.float32 if device.type == "cpu" else torch.bfloat16)
    form: dict[str, Any] = {}
    if config.quantise == "nf4":
        if base.is_quantised:
            raise ModelError(
                f"{base.name} is stored quantised already; set quantise=none, or give its unquantised form"
            )
        form["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=dtype if device.type == "cpu" else torch.bfloat16,
            llm_int8_skip_modules=NOT_NF4,
        )
    loaded: Any = AutoModelForImageTextToText.from_pretrained(
        base.folder,
        dtype=dtype,
        device_map={"": device},
        attn_implementation=config.attention,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        output_loading_info=True,
        **form,
    )
    model, report = loaded
    # The library would go on with random numbers in their place.
    if absent := sorted(report["missing_keys"]):
        raise ModelError(f"{base.folder} lacks {len(absent)} weights, such as {absent[0]}; copy it again")
    # What an adapter's folder will name as its base.
    model.name_or_path = str(base.folder.resolve()) if Path(base.name).expanduser().is_dir() else base.name
    return model


def _with_saved_adapter(model: Any, found: ModelFolder, *, train: bool) -> Any:
    from peft import PeftModel

    with warnings.catch_warnings():
        # The library would go on with an adapter that is partly random.
        warnings.filterwarnings("error", message=".*missing adapter keys", category=UserWarning)
        try:
            return PeftModel.from_pretrained(model, found.folder, is_trainable=train, local_files_only=True)
        except UserWarning as error:
            raise ModelError(
                f"the adapter {found.folder} does not hold all weights that it adapts; copy it again"
            ) from error


def _with_new_adapter(model: Any, lora: LoraSettings) -> Any:
    from peft import LoraConfig, get_peft_model

    settings = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.targets,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, settings)


def _keep_nf4_trainable(model: Any) -> None:
    """On some processors bitsandbytes rearranges NF4 weights the first time that a model judges, and cannot take a
    gradient through them after that; a model in training judges now and then."""
    for module in model.modules():
        if hasattr(module, "support_avx512bf16_for_cpu"):
            module.support_avx512bf16_for_cpu = False


def _limit_pixels(image_processor: Any, config: ModelConfig) -> None:
    size = image_processor.size
    low = size["shortest_edge"] if config.min_pixels is None else config.min_pixels
    high = size["longest_edge"] if config.max_pixels is None else config.max_pixels
    if low > high:
        raise ModelError(f"min_pixels {low} is above max_pixels {high}; set both (null keeps the model's own)")
    if (low, high) != (size["shortest_edge"], size["longest_edge"]):
        image_processor.size = type(size)(shortest_edge=low, longest_edge=high)


def _device(name: str) -> torch.device:
    if name == "auto":
        # One process a GPU: a launcher numbers the processes of a machine.
        name = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise ModelError(f"device {name} is not there ({torch.cuda.device_count()} GPUs found); set device=auto or cpu")
    return device


def _checked_target(folder: Path | str) -> Path:
    target = Path(folder).expanduser().resolve()
    if not target.exists():
        return target
    if not target.is_dir():
        raise ModelError(f"{folder} is a file; wanted a folder to write the model into")
    inside = list(target.iterdir())
    is_model = (target / CONFIG).is_file() or (target / ADAPTER_CONFIG).is_file()
    # What is replaced is deleted: never a run folder, nor checkpoints that lie below a model.
    if inside and (not is_model or any(item.is_dir() for item in inside)):
        raise ModelError(f"{folder} holds more than one model's files, which would be lost; choose an empty folder")
    return target


def _put_in_place(part: Path, target: Path) -> None:
    if not target.exists():
        part.rename(target)
        return
    old = target.with_name(f"{part.name}.old")
    target.rename(old)
    part.rename(target)
    shutil.rmtree(old)


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """The first line of a library's error as a ModelError."""
    try:
        yield
    except ModelError:
        raise
    except _UNREADABLE as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"cannot make a model of {name}: {reason}; check the folder and the settings") from error


@contextmanager
def _quietly() -> Iterator[None]:
    """Without bars for what takes a second, and without the warning that PEFT uses an old name of transformers."""
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings(
                "ignore", message="`is_gradient_checkpointing` is deprecated", category=FutureWarning
            )
            yield
    finally:
        if shown:
            logging.enable_progress_bar()
