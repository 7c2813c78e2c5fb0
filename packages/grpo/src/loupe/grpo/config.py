"""Settings of the GRPO stage."""

from dataclasses import dataclass, field
from typing import Any

from loupe.core.model.loading import ModelConfig
from loupe.core.sampling import Sampling
from loupe.grpo.coverage import CoverageConfig
from loupe.grpo.resampling import ResamplingConfig
from loupe.grpo.tasks import TaskConfig
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
    tasks: dict[str, TaskConfig] = field(default_factory=dict[str, TaskConfig])
    """Tasks to mix, by names of your own; none plays `protocol` alone."""
    limit: int = 0
    """Rows of each task to play, images or pairs; 0 takes all of the split."""
    rewards: RewardWeights = field(default_factory=RewardWeights)
    """Weight of each reward term."""
    reward_options: RewardOptions = field(default_factory=RewardOptions)
    """Shape of the reward terms."""
    sampling: Sampling = field(default_factory=Sampling)
    """How rollouts are drawn."""
    clip: bool = True
    """Bound the ratio by trainer.epsilon; false is the loss that KL-Cov was published with."""
    coverage: CoverageConfig = field(default_factory=CoverageConfig)
    """The regulariser on the few tokens that drive entropy down."""
    resampling: ResamplingConfig = field(default_factory=ResamplingConfig)
    """How the share of rare ratings grows over training."""
    share_prompts: bool = True
    """Compute the prompt of an image once for its samples in training; false is the plain way, slower and the same."""
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

    @property
    def mix(self) -> dict[str, TaskConfig]:
        """The tasks that are played."""
        return self.tasks or {"zoom": TaskConfig(self.protocol)}
