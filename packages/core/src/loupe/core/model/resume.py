"""Going on from a checkpoint of the training libraries, in the three places where they would go on wrongly.

- A kill can leave a checkpoint half written; the newest whole one counts.
- transformers 5 saves the weights of the Qwen families under other names than they have in memory, and its trainer,
  which reads them by the names in the file, finds none of them and goes on with the weights that the run started with.
- A run that had reached its last step would be given one step more.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load_file
from transformers import Trainer

from loupe.core.errors import DataError, ModelError
from loupe.core.files import read_json
from loupe.core.model.checkpoints import ADAPTER_WEIGHTS

STATE = "trainer_state.json"
"""What the trainer writes last, and so only into a whole checkpoint."""
_NAME = re.compile(r"checkpoint-(\d+)")


def last_checkpoint(folder: Path) -> str | None:
    """The newest whole checkpoint of a trainer's output folder; None where there is none."""
    found = sorted(folder.glob("checkpoint-*"), key=_number, reverse=True)
    return next((str(path) for path in found if _number(path) >= 0 and steps_done(path) is not None), None)


def steps_done(checkpoint: Path) -> int | None:
    """Optimizer steps before a checkpoint; None where it was not written to its end."""
    if not (checkpoint / STATE).is_file():
        return None
    try:
        return int(read_json(checkpoint / STATE)["global_step"])
    except (DataError, KeyError, TypeError, ValueError):
        return None


def load_weights(model: Any, checkpoint: Path) -> None:
    """Put the weights of a checkpoint into the model, in place; of a model with an adapter, the adapter's.

    Raises ModelError where the checkpoint lacks one of them.
    """
    if hasattr(model, "get_base_model"):
        from peft import set_peft_model_state_dict

        result = set_peft_model_state_dict(model, load_file(checkpoint / ADAPTER_WEIGHTS), adapter_name="default")
        absent = [name for name in result.missing_keys if ".default." in name]
    else:
        saved, report = type(model).from_pretrained(
            checkpoint, dtype=model.dtype, local_files_only=True, use_safetensors=True, output_loading_info=True
        )
        absent = sorted(report["missing_keys"])
        model.load_state_dict(saved.state_dict())
    if absent:
        raise ModelError(f"{checkpoint} lacks {len(absent)} weights, such as {absent[0]}; remove it and resume again")


class Resuming(Trainer if TYPE_CHECKING else object):
    """What a trainer class of the libraries has to put before it among its bases."""

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        if self.is_fsdp_enabled:
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        else:
            load_weights(self.model if model is None else model, Path(resume_from_checkpoint))


def _number(path: Path) -> int:
    match = _NAME.fullmatch(path.name)
    return int(match[1]) if match and path.is_dir() else -1
