"""The joint reward: every term for every completion, and their weighted sum, in a table that explains each reward.

Q-Insight adds up format, score and degradation; VisualQuality-R1 adds up format and rank. Both are a choice of weights
here (configs/systems). What is paid is the verdict of a completion, the same turn that evaluation scores, and the
format of every turn.
"""

from dataclasses import dataclass, field

import numpy as np

from loupe.rewards.arrays import FloatArray
from loupe.rewards.batch import RewardBatch
from loupe.rewards.settings import RewardOptions, RewardWeights
from loupe.rewards.terms import TERMS


@dataclass(frozen=True, slots=True)
class RewardTable:
    """`columns`: the unweighted reward (N,) of each term by name, NaN where a term does not apply to a completion;
    `total` (N,): their weighted sum, to which such a term adds nothing."""

    columns: dict[str, FloatArray]
    total: FloatArray

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the terms in the order of `RewardWeights`."""
        return tuple(self.columns)

    def row(self, index: int) -> dict[str, float]:
        """Everything that one completion earned, by term and in total: plain numbers for a log."""
        return {name: float(column[index]) for name, column in (self.columns | {"total": self.total}).items()}


@dataclass(frozen=True, slots=True)
class JointReward:
    """Weighted sum of all terms, by the weights and options of a config."""

    weights: RewardWeights = field(default_factory=RewardWeights)
    options: RewardOptions = field(default_factory=RewardOptions)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all terms."""
        return tuple(TERMS)

    @property
    def paid(self) -> tuple[str, ...]:
        """Names of the terms that have a weight."""
        return tuple(name for name in TERMS if getattr(self.weights, name) > 0)

    def score(self, batch: RewardBatch) -> RewardTable:
        """One row a completion, one column a term, and the sum of the columns times their weights."""
        columns = {name: term(batch, self.options) for name, term in TERMS.items()}
        total = np.zeros(len(batch.completions))
        for name, column in columns.items():
            total += getattr(self.weights, name) * np.nan_to_num(column, nan=0.0)
        return RewardTable(columns, total)
