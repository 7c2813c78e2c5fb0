"""How the next token is drawn, as data: temperature, and the filters that samplers of language models share.

`loupe.core.model.sampling` draws by it.
"""

import math
from dataclasses import dataclass

from loupe.core.errors import ConfigError


@dataclass(frozen=True)
class Sampling:
    """How to draw. The defaults draw from the model's own distribution."""

    temperature: float = 1.0
    """What logits are divided by; 0 takes the most probable token, and the filters then change nothing."""
    top_p: float = 1.0
    """Share of the probability that the most probable tokens must hold together; 1 keeps all."""
    top_k: int = 0
    """Number of most probable tokens to keep; 0 keeps all."""
    min_p: float = 0.0
    """Least probability of a token as a share of the most probable one's; 0 keeps all."""

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if not (0 <= self.temperature < math.inf and 0 < self.top_p <= 1 and self.top_k >= 0 and 0 <= self.min_p <= 1):
            raise ConfigError(
                f"sampling: got temperature {self.temperature}, top_p {self.top_p}, top_k {self.top_k}, min_p "
                f"{self.min_p}; wanted a finite temperature and a top_k from 0, top_p in (0, 1] and min_p in [0, 1]"
            )

    @property
    def filters(self) -> bool:
        """True where some tokens can never be drawn."""
        return self.top_p < 1 or self.top_k > 0 or self.min_p > 0


GREEDY = Sampling(temperature=0.0)
