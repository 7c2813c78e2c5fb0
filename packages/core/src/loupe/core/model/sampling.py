"""How the next token is drawn: temperature, then the filters that samplers of language models share.

Order as in transformers and vLLM: temperature, top-k, top-p, min-p. Draws invert the cumulative distribution with a
uniform number that is handed in, so that a row depends on its own random numbers alone.
"""

import numpy as np
import numpy.typing as npt
import torch

from loupe.core.sampling import Sampling


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
