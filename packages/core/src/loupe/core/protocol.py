"""Protocols as data: the words that an agent is spoken to with, and the bounds of an episode, in one YAML file each.

Training and inference both build their prompts from the same `Protocol`, which is what makes them byte-identical; the
messages themselves are laid out by `loupe.zoom.layout`. Built-in protocols lie in `loupe/core/protocols/`; a path to a
user's own YAML file works wherever a name does, for example one with the exact words that a checkpoint was trained on.
"""

from dataclasses import dataclass, field
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from loupe.core.answer import DIALECTS
from loupe.core.config import load_layers, word_in
from loupe.core.crop_policy import CropPolicy
from loupe.core.dialects.loupe import KEYS
from loupe.core.errors import ConfigError, MissingFileError
from loupe.core.sampling import Sampling

LAYOUTS = ("append", "segments")
QUESTION = "{question}"
"""Stands in `question` and `no_zoom_question` where one of `questions` is to be put."""


@dataclass(frozen=True)
class Protocol:
    """How to ask for a judgement, and what the agent may do.

    In a text of a user turn {image} stands where the image is shown, {image2} and {image3} where further ones are, and
    {crop} where the crop is. A text without any of them is shown behind its images: all of them in the first turn, the
    crop alone in a later one. Nothing else in a text is replaced but {question} in the first turn.
    """

    base: str = ""
    """Name or path of the protocol that a file starts from; it then holds only what differs."""
    name: str = "zoom"
    """Name of the protocol; it is written into every result."""
    system: str = ""
    """System message; empty for none."""
    question: str = ""
    """Text of the first user turn."""
    questions: list[str] = field(default_factory=list[str])
    """Ways to put the question; one of them, picked by the image's id, takes the place of {question}."""
    crop_question: str = ""
    """Text of a user turn that shows a crop."""
    final_question: str = ""
    """The same for the last look that the protocol allows, after which only a verdict counts."""
    no_zoom_question: str = ""
    """Text of the first user turn when zooming is forbidden; empty where that is asked like anything else."""
    recalled_question: str = ""
    """With `layout: segments`, the user's words before the earlier reply that a later look recalls; empty for the way
    to put the question, or where `questions` has none for `question` without its images."""
    layout: str = "append"
    """How looks follow each other: append is one growing conversation; segments begins a new one for each look, which
    recalls the reply before it and shows whatever its question names."""
    max_rounds: int = 2
    """Looks that an episode may have, the overview included; so crops are one fewer at most."""
    max_new_tokens: int = 160
    """Tokens that the agent may write in one turn."""
    max_total_tokens: int = 0
    """Tokens that it may write in an episode; 0 for as many as its turns allow."""
    max_pixels: int = 0
    """Pixels that an episode may show in all, as they are handed to the agent; 0 for no bound. The first look is always
    shown."""
    dialect: str = "loupe"
    """How an answer is written: loupe, visualquality-r1, q-insight, zoom-iqa or description."""
    asks: list[str] = field(default_factory=lambda: ["rating", "distortion_class", "severity", "bbox_2d", "tool"])
    """Keys that a complete answer holds."""
    fast_opening: str = field(default="", repr=False)
    """Text of a reply up to where its rating stands: what the fast mode begins for the agent; empty where there is no
    fast mode. Not in the fingerprint, for an agent that writes for itself never sees it."""
    sections: list[str] = field(default_factory=list[str])
    """Labels of the sections that the thinking of a first look has; empty for none."""
    later_sections: list[str] = field(default_factory=list[str])
    """The same for later looks."""
    positive_section: str = ""
    """Label of the section that says what a better image would look like."""
    negative_section: str = ""
    """Label of the section that says what is wrong."""
    crop: CropPolicy = field(default_factory=CropPolicy)
    """How a box becomes a crop."""
    sampling: Sampling = field(default_factory=Sampling)
    """How answers are drawn where they are drawn and not decoded greedily."""

    def __post_init__(self) -> None:
        """Raises ConfigError."""
        if self.dialect not in DIALECTS:
            raise ConfigError(f"got the dialect {self.dialect!r}; wanted one of {', '.join(DIALECTS)}")
        if self.layout not in LAYOUTS:
            raise ConfigError(f"got the layout {self.layout!r}; wanted one of {', '.join(LAYOUTS)}")
        if self.questions and not any(QUESTION in text for text in (self.question, self.no_zoom_question)):
            raise ConfigError(f"protocol {self.name!r}: questions are given, and question has no {QUESTION} for them")
        for name in ("question", "no_zoom_question", "recalled_question"):
            if QUESTION in getattr(self, name) and not self.questions:
                raise ConfigError(f"protocol {self.name!r}: {name} holds {QUESTION}; give ways to put it in questions")
        for name, least in (("max_total_tokens", 0), ("max_pixels", 0), ("max_new_tokens", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"protocol {self.name!r}: got {name} {getattr(self, name)}; wanted {least} or more")
        if strange := sorted(set(self.asks) - {*KEYS, "description"}):
            raise ConfigError(
                f"protocol {self.name!r}: asks holds {', '.join(strange)}; wanted some of {', '.join(KEYS)}, "
                "description"
            )
        self._check_places()

    def _check_places(self) -> None:
        """Raises ConfigError for texts whose places cannot be filled."""
        for name in ("question", "no_zoom_question"):
            if "{crop}" in getattr(self, name):
                raise ConfigError(f"protocol {self.name!r}: {name} shows {{crop}}, and a first look has none")
        for name in ("crop_question", "final_question"):
            text = getattr(self, name)
            if "{image}" in text and "{crop}" not in text:
                raise ConfigError(
                    f"protocol {self.name!r}: {name} shows {{image}} and not {{crop}}; name both, or none"
                )

    @property
    def fingerprint(self) -> str:
        """First 12 hex digits of the SHA-256 over all fields but `fast_opening`: two runs with the same one asked the
        same things."""
        return sha256(repr(self).encode()).hexdigest()[:12]

    @property
    def box_limit(self) -> float:
        """The largest number that a box may hold: 1, 1000, or any where boxes are in pixels."""
        return {"unit": 1.0, "thousand": 1000.0, "pixels": float("inf")}[self.crop.coordinates]

    def phrased(self, text: str, sample_id: str) -> str:
        """`text` with the way to ask that belongs to this image: the same for all attempts at it, at any time."""
        if not self.questions:
            return text
        number = int.from_bytes(sha256(sample_id.encode()).digest()[:8], "big")
        return text.replace(QUESTION, self.questions[number % len(self.questions)])

    def later_question(self, turn: int) -> str:
        """Text of the user turn with this number, 1 for the first that shows a crop."""
        return self.final_question if turn + 1 >= self.max_rounds else self.crop_question


def load_protocol(name_or_path: str, *, prompts: str = "") -> Protocol:
    """Protocol by built-in name or by the path of a YAML file, which may name another one as its `base`.

    `prompts` is the path of a YAML file whose fields, words as a rule, take the place of the protocol's; "" for none.
    A file of prompts that names a base of its own stands for itself. Raises MissingFileError, ConfigError.
    """
    if not prompts:
        return load_layers(Protocol, _layers(name_or_path))
    if not Path(prompts).is_file():
        raise MissingFileError(f"no file of prompts {prompts}; give the path of a YAML file")
    own = _layers(prompts)
    return load_layers(Protocol, own if len(own) > 1 else [*_layers(name_or_path), *own])


def _layers(name_or_path: str) -> list[Path]:
    """The file of a protocol, behind those that it is based on."""
    layers: list[Path] = []
    base = name_or_path
    while base or not layers:
        path = _file(base, beside=layers[0].parent if layers else None)
        if path in layers:
            raise ConfigError(f"{name_or_path}: the protocol {base!r} is based on itself; name another base")
        layers.insert(0, path)
        base = word_in(path, "base")
    return layers


def _file(name_or_path: str, *, beside: Path | None) -> Path:
    """File of a protocol; the path of a base is looked up in the folder `beside` the file that names it."""
    folder = files("loupe.core") / "protocols"
    known = sorted(item.name.removesuffix(".yaml") for item in folder.iterdir() if item.name.endswith(".yaml"))
    path = Path(str(folder)) / f"{name_or_path}.yaml" if name_or_path in known else (beside or Path()) / name_or_path
    if not path.is_file():
        raise MissingFileError(
            f"no protocol {name_or_path!r}: neither a file nor one of {', '.join(known)}; give one of them or a file"
        )
    return path
