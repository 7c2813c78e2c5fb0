"""Protocols as data: the words that an agent is spoken to with, and the bounds of an episode, in one YAML file each.

Training and inference both build their prompts from the same `Protocol`, which is what makes them byte-identical.
Built-in protocols lie in `loupe/core/protocols/`; a path to a user's own YAML file works wherever a name does.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from loupe.core.answer import DIALECTS
from loupe.core.config import load_config
from loupe.core.errors import ConfigError, MissingFileError


@dataclass(frozen=True)
class Protocol:
    """How to ask for a judgement, and what the agent may do."""

    name: str = "zoom"
    """Name of the protocol; it is written into every result."""
    system: str = ""
    """System message; empty for none."""
    question: str = ""
    """Text of the first user turn, after the image."""
    crop_question: str = ""
    """Text of a user turn that shows a crop, after the crop."""
    final_question: str = ""
    """The same for the last look that the protocol allows, after which only a verdict counts."""
    no_zoom_question: str = ""
    """Text of the first user turn when zooming is forbidden."""
    max_rounds: int = 2
    """Looks that an episode may have, the overview included."""
    max_new_tokens: int = 160
    """Tokens that the agent may write in one turn."""
    dialect: str = "loupe"
    """How an answer is written: loupe, visualquality-r1, q-insight or zoom-iqa."""
    asks: list[str] = field(default_factory=lambda: ["rating", "distortion_class", "severity", "bbox_2d", "tool"])
    """Keys that a complete answer holds."""

    def __post_init__(self) -> None:
        if self.dialect not in DIALECTS:
            raise ConfigError(f"got the dialect {self.dialect!r}; wanted one of {', '.join(DIALECTS)}")

    @property
    def fingerprint(self) -> str:
        """First 12 hex digits of the SHA-256 over all fields: two runs with the same one asked the same things."""
        return sha256(repr(self).encode()).hexdigest()[:12]


def load_protocol(name_or_path: str) -> Protocol:
    """Protocol by built-in name or by the path of a YAML file. Raises MissingFileError, ConfigError."""
    folder = files("loupe.core") / "protocols"
    known = sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))
    path = Path(str(folder)) / f"{name_or_path}.yaml" if name_or_path in known else Path(name_or_path)
    if not path.is_file():
        raise MissingFileError(
            f"no protocol {name_or_path!r}: neither a file nor one of {', '.join(known)}; give one of them or a file"
        )
    return load_config(Protocol, path)
