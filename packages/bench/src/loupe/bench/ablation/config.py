"""Settings of an ablation: which rows, over which seeds, from which start, within which limits."""

from dataclasses import dataclass, field


@dataclass
class RowConfig:
    """What sets one row apart."""

    rewards: str = ""
    """Preset for `loupe grpo --rewards`, by name or path; empty for none."""
    set: list[str] = field(default_factory=list[str])
    """Settings of `loupe grpo` as KEY=VALUE words; they win over the preset and over `base`."""


@dataclass
class AblateConfig:
    """What `loupe ablate` does: train every row with every seed from one start, judge each, compare with row one."""

    title: str = "Loupe: what each reward is worth"
    """Heading of the page."""
    grpo: str = "configs/pocket/grpo.yaml"
    """YAML file of `loupe grpo` that every row begins with."""
    evaluate: str = "configs/pocket/evaluate.yaml"
    """YAML file of `loupe evaluate` that every judging begins with."""
    start: str = "runs/pocket/own/model"
    """Model that every cell starts from: a folder, a shipped name or a hub id."""
    data: str = "data/pocket"
    """Data folder: `train` is played, `split` is judged."""
    split: str = "test"
    """Which split is judged."""
    prepare: str = ""
    """Folder with the recipe (data, sft, own) that makes `data` and `start` where they are missing; empty: none."""
    out: str = "runs/ablations/rewards"
    """Folder for the cells, the table and the page."""
    base: list[str] = field(default_factory=list[str])
    """KEY=VALUE words of every row without a preset, before its own: as a rule all weights at 0."""
    rows: dict[str, RowConfig] = field(default_factory=dict[str, RowConfig])
    """Name of a row to what sets it apart; the first one is what the others are compared with."""
    seeds: list[int] = field(default_factory=lambda: [0, 1, 2])
    """Seeds of the trainings; a cell is one row with one seed."""
    max_steps: int = 40
    """Optimizer steps of a cell."""
    max_minutes: float = 60.0
    """Minutes that a cell may take in one go, training and judging together; past them it is ended and has failed."""
    limit: int | None = 300
    """Images that are judged; null for the whole split."""
    n_boot: int = 2000
    """Bootstrap draws of every interval; 0 for figures without intervals."""
    boot_seed: int = 0
    """Seed of those draws."""
