"""What can be set about a model, checked before anything heavy is loaded. Knows no torch."""

import re
from dataclasses import dataclass, field

from loupe.core.errors import ConfigError

LANGUAGE_LAYERS = r".*language_model.*\.(q|k|v|o|gate|up|down)_proj"
"""Linear layers of the language model. The prefix matters: Qwen2.5-VL's vision MLP has layers of the same names."""

_CHOICES = {
    "dtype": ("auto", "float32", "bfloat16"),
    "quantise": ("none", "nf4"),
    "attention": ("sdpa", "eager", "flash_attention_2"),
}


@dataclass
class LoraSettings:
    """A new LoRA adapter."""

    enabled: bool = False
    """Put a new adapter on the model, which then trains alone."""
    rank: int = 16
    """Rank of the two matrices of each adapted layer."""
    alpha: int = 32
    """Scale: an adapter adds `alpha / rank` times the product of its matrices."""
    dropout: float = 0.0
    """Share of an adapter's input that is dropped in training; 0 keeps sampling and training probabilities equal."""
    targets: str = LANGUAGE_LAYERS
    """Regular expression that the whole path of an adapted layer matches."""

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if self.rank < 1 or self.alpha < 1 or not 0 <= self.dropout < 1:
            raise ConfigError(
                f"lora: got rank {self.rank}, alpha {self.alpha}, dropout {self.dropout}; "
                "wanted rank and alpha of at least 1 and a dropout in [0, 1)"
            )
        try:
            re.compile(self.targets)
        except re.error as error:
            raise ConfigError(f"lora.targets: {self.targets!r} is no regular expression: {error}") from error


@dataclass
class ModelConfig:
    """Which model, and in which form."""

    path: str = "pocket-base"
    """`pocket-base`, `pocket-agent`, a local folder (of a model or of an adapter), or a hub id."""
    dtype: str = "auto"
    """`float32`, `bfloat16`, or `auto`: bfloat16 on a GPU, float32 on a CPU."""
    quantise: str = "none"
    """`none`, or `nf4`: the language layers in 4 bits with double quantisation."""
    lora: LoraSettings = field(default_factory=LoraSettings)
    """New adapter for training; a folder that holds an adapter brings its own."""
    min_pixels: int | None = None
    """Pixels that a smaller image is enlarged to; null for the model's own limit."""
    max_pixels: int | None = None
    """Pixels that a larger image is reduced to, the bound of its visual tokens; null for the model's own limit."""
    device: str = "auto"
    """`cpu`, `cuda`, `cuda:1` and so on, or `auto`: this process's GPU where there is one."""
    attention: str = "sdpa"
    """`sdpa`, `eager` or `flash_attention_2`."""

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ConfigError(f"{name}: got {getattr(self, name)!r}; wanted one of {', '.join(known)}")
        if re.fullmatch(r"auto|cpu|cuda(:\d+)?", self.device) is None:
            raise ConfigError(f"device: got {self.device!r}; wanted auto, cpu, cuda or cuda:<number>")
        for name in ("min_pixels", "max_pixels"):
            limit = getattr(self, name)
            if limit is not None and limit < 1:
                raise ConfigError(f"{name}: got {limit}; wanted at least 1, or null for the model's own")
