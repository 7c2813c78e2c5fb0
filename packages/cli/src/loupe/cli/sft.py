"""`loupe sft`: a config and overrides in, an SFT run folder out."""

from loupe.cli.options import ConfigFile, Overrides, Resume, words


def sft(
    overrides: Overrides = None,
    config: ConfigFile = None,
    resume: Resume = False,
) -> None:
    """Teach a base model to reason, zoom and rate, from written rationales; with `own_words`, from its own words too.

    Rationales of several files and protocols are mixed as `sources.NAME`. Arguments of TRL's SFTConfig are reached as
    `trainer.NAME`.

    Examples:

    loupe sft --config configs/pocket/sft.yaml

    loupe sft --config configs/pocket/sft.yaml trainer.max_steps=50 out=runs/pocket/sft-short

    loupe sft --config configs/pocket/sft.yaml eval_every=40 patience=3 max_tokens=400

    loupe sft --config configs/pocket/sft.yaml sources.synthetic.weight=0.5 sources.teacher.rationales=teacher.jsonl
    sources.teacher.data=data/mine sources.teacher.protocol=zoom

    loupe sft --config configs/pocket/own.yaml

    loupe sft --config configs/qwen2_5_vl_7b/sft.yaml data=data/mine
    """
    from loupe.cli.screen import progress_bar, remark
    from loupe.core.config import load_config
    from loupe.sft.config import SftConfig
    from loupe.sft.train import run_sft

    settings = load_config(SftConfig, config, words(overrides, resume=resume))
    with (
        progress_bar("lengths of examples") as measure,
        progress_bar("images in its own words") as play,
        progress_bar("SFT steps") as step,
    ):
        folder = run_sft(settings, progress=step, playing=play, measuring=measure, say=remark)
    remark(f"model written to {folder}")
