"""`loupe grpo`: a config and overrides in, a GRPO run folder out."""

from typing import Annotated

import typer

from loupe.cli.options import ConfigFile, Overrides, Resume, words


def grpo(
    overrides: Overrides = None,
    config: ConfigFile = None,
    rewards: Annotated[
        str | None,
        typer.Option(help="Take the rewards of a preset: a name in configs/systems, or a file. Settings win over it."),
    ] = None,
    resume: Resume = False,
) -> None:
    """Sharpen an SFT model by reinforcement learning on its own episodes.

    Arguments of TRL's GRPOConfig are reached as `trainer.NAME`.

    Examples:

    loupe grpo --config configs/pocket/grpo.yaml

    loupe grpo --config configs/pocket/grpo.yaml rewards.rank=0 out=runs/pocket/grpo-no-rank

    loupe grpo --config configs/pocket/grpo.yaml --rewards visualquality-r1 out=runs/pocket/grpo-rank

    loupe grpo --config configs/systems/q-insight.yaml data=data/mine out=runs/q-insight
    """
    from loupe.cli.screen import progress_bar, remark
    from loupe.core.config import load_config
    from loupe.grpo.config import GrpoConfig
    from loupe.grpo.systems import reward_words
    from loupe.grpo.train import run_grpo

    preset = [] if rewards is None else reward_words(rewards)
    settings = load_config(GrpoConfig, config, [*preset, *words(overrides, resume=resume)])
    with progress_bar("GRPO steps") as step:
        folder = run_grpo(settings, progress=step)
    remark(f"model written to {folder}")
