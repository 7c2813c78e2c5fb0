"""`loupe sft`: a config and overrides in, an SFT run folder out."""

from pathlib import Path
from typing import TYPE_CHECKING

from loupe.cli.options import ConfigFile, Overrides, Resume, words

if TYPE_CHECKING:
    from loupe.sft.config import SftConfig


def sft(
    overrides: Overrides = None,
    config: ConfigFile = None,
    resume: Resume = False,
) -> None:
    """Teach a base model to reason, zoom and rate, from written rationales.

    Arguments of TRL's SFTConfig are reached under `trainer.`.

    Examples:

    loupe sft --config configs/pocket/sft.yaml

    loupe sft --config configs/pocket/sft.yaml trainer.max_steps=50 out=runs/pocket/sft-short

    loupe sft --config configs/qwen2_5_vl_7b/sft.yaml data=data/mine
    """
    from loupe.cli.screen import remark
    from loupe.core.config import load_config
    from loupe.sft.config import SftConfig

    settings = load_config(SftConfig, config, words(overrides, resume=resume))
    remark(f"model written to {train(settings)}")


def train(settings: "SftConfig") -> Path:
    """The whole stage with its progress bars; the folder of the model."""
    from loupe.cli.screen import progress_bar
    from loupe.sft.own_words import play_own_words
    from loupe.sft.train import run_sft

    with progress_bar("images in its own words") as step:
        play_own_words(settings, progress=step)
    with progress_bar("SFT steps") as step:
        return run_sft(settings, progress=step)
