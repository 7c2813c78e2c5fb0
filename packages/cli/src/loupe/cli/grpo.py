"""`loupe grpo`: a config and overrides in, a GRPO run folder out."""

from loupe.cli.options import ConfigFile, Overrides, Resume, words


def grpo(
    overrides: Overrides = None,
    config: ConfigFile = None,
    resume: Resume = False,
) -> None:
    """Sharpen an SFT model by reinforcement learning on its own episodes.

    Arguments of TRL's GRPOConfig are reached as `trainer.NAME`.

    Examples:

    loupe grpo --config configs/pocket/grpo.yaml

    loupe grpo --config configs/pocket/grpo.yaml rewards.rank=0 out=runs/pocket/grpo-no-rank

    loupe grpo --config configs/qwen2_5_vl_7b/grpo.yaml data=data/mine
    """
    from loupe.cli.screen import progress_bar, remark
    from loupe.core.config import load_config
    from loupe.grpo.config import GrpoConfig
    from loupe.grpo.train import run_grpo

    settings = load_config(GrpoConfig, config, words(overrides, resume=resume))
    with progress_bar("GRPO steps") as step:
        folder = run_grpo(settings, progress=step)
    remark(f"model written to {folder}")
