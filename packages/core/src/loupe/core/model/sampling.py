"""How the next token is drawn: temperature, then the filters that samplers of language models share.

Order as in transformers and vLLM: temperature, top-k, top-p, min-p. Draws invert the cumulative distribution with a
uniform number that is handed in, so that a row depends on its own random numbers alone.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

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


def choose(logits: torch.Tensor, sampling: Sampling, uniform: npt.NDArray[np.float64]) -> torch.Tensor:
    """Next token of each row (B,). logits (B, V), -inf where a token must not be drawn; uniform (B,) in [0, 1)."""
    if sampling.temperature == 0:
        return logits.argmax(-1)
    # In double precision the last cumulative value is 1 to within 1e-12, so no draw falls off the end.
    probabilities = torch.softmax(logits.double() / sampling.temperature, dim=-1)
    if sampling.filters:
        probabilities = _filtered(probabilities, sampling)
    cumulative = probabilities.cumsum(-1)
    draw = torch.from_numpy(uniform).to(cumulative)[:, None] * cumulative[:, -1:]
    return torch.searchsorted(cumulative, draw, right=True).squeeze(1).clamp(max=logits.shape[1] - 1)


def _filtered(probabilities: torch.Tensor, sampling: Sampling) -> torch.Tensor:
    """Zero where a filter takes a token out; the most probable one always stays. Rows need not sum to 1 any more."""
    ordered, places = probabilities.sort(dim=-1, descending=True, stable=True)
    keep = torch.ones_like(ordered, dtype=torch.bool)
    if sampling.top_k:
        keep[:, sampling.top_k :] = False
    if sampling.top_p < 1:
        kept = ordered * keep
        share = kept.cumsum(-1) / kept.sum(-1, keepdim=True)
        # A token stays where those before it do not hold the share yet.
        keep &= torch.cat([torch.zeros_like(share[:, :1]), share[:, :-1]], dim=-1) < sampling.top_p
    if sampling.min_p:
        keep &= ordered >= sampling.min_p * ordered[:, :1]
    keep[:, 0] = True
    return torch.zeros_like(probabilities).scatter(-1, places, ordered * keep)


def log_prob(logits: torch.Tensor, tokens: torch.Tensor, *, temperature: float) -> torch.Tensor:
    """Log-probability (B,) of `tokens` (B,) under the logits (B, V) at a temperature (0 reads them at 1).

    Of the whole distribution, filters and suppressed tokens left aside: what a trainer computes from a plain forward.
    """
    scaled = logits.float() / (temperature or 1.0)
    return scaled.gather(-1, tokens[:, None]).squeeze(-1) - scaled.logsumexp(-1)
