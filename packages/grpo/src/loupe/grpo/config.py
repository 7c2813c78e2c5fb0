"""Settings of the GRPO stage."""

from dataclasses import dataclass, field
from typing import Any

from loupe.core.model.loading import ModelConfig
from loupe.grpo.coverage import CoverageConfig
from loupe.grpo.sampler import ResamplingConfig
from loupe.rewards.settings import RewardOptions, RewardWeights


@dataclass
class GrpoConfig:
    """What `loupe grpo` does: play whole episodes, reward them, and make the better ones of each group more likely."""

    model: ModelConfig = field(default_factory=ModelConfig)
    """The model to start from, as a rule the SFT stage's."""
    data: str = "data/pocket"
    """Data folder; the split `train` is played."""
    out: str = "runs/pocket/grpo"
    """Run folder to write."""
    protocol: str = "zoom-brief"
    """Protocol by name or path; the one that SFT used."""
    limit: int = 0
    """Images to play; 0 takes all of the split."""
    rewards: RewardWeights = field(default_factory=RewardWeights)
    """Weight of each reward term."""
    reward_options: RewardOptions = field(default_factory=RewardOptions)
    """Shape of the reward terms."""
    coverage: CoverageConfig = field(default_factory=CoverageConfig)
    """The regulariser on the tokens with the highest covariance."""
    resampling: ResamplingConfig = field(default_factory=ResamplingConfig)
    """How the share of rare ratings grows over training."""
    probe_images: int = 6
    """Images of the validation split whose episodes are kept over time."""
    probe_every: int = 10
    """Steps between two looks at those images."""
    resume: bool = False
    """Go on from the last checkpoint in `out`."""
    seed: int = 0
    """Seed of batches, rollouts and everything that the trainer draws."""
    trainer: dict[str, Any] = field(default_factory=dict[str, Any])
    """Any argument of TRL's GRPOConfig, for example max_steps, num_generations, learning_rate, beta."""
