"""The words for teacher and judge, as data. Placeholders are replaced by plain search, so text may hold any braces."""

import re
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

import yaml

from loupe.core.config import load_config
from loupe.core.errors import ConfigError

_PLACE = re.compile(r"\{(\w+)\}")
_WANTED = {
    "opinion": ("opinion",),
    "continue_writing": ("sections",),
    "judge": ("hints", "label", "sentences"),
}


@dataclass(frozen=True)
class Prompts:
    """What is said to the teacher and to the judge beside the protocol's own words."""

    teacher: str = ""
    """Instruction that the teacher gets behind the protocol's system message; empty for none."""
    opinion: str = ""
    """Further instruction where the known opinion is told; {opinion} is the rating on 1..5."""
    continue_writing: str = ""
    """What is asked without the picture; {sections} is the beginning of the rationale."""
    judge_system: str = ""
    """System message of the judge."""
    judge: str = ""
    """What the judge is asked; {hints}, {label} and {sentences} are filled in."""

    def __post_init__(self) -> None:
        """Raises ConfigError for a prompt that lacks what it has to carry."""
        for name, places in _WANTED.items():
            text: str = getattr(self, name)
            if missing := [place for place in places if text and f"{{{place}}}" not in text]:
                raise ConfigError(f"the prompt {name!r} lacks {{{missing[0]}}}; put it where that text belongs")

    @property
    def fingerprint(self) -> str:
        """First 12 hex digits of the SHA-256 over all prompts."""
        return sha256(repr([getattr(self, item.name) for item in fields(self)]).encode()).hexdigest()[:12]


def load_prompts(path: str = "") -> Prompts:
    """The built-in prompts, with those of a YAML file in their place. Raises MissingFileError, ConfigError."""
    built_in = load_config(Prompts, Path(str(files("loupe.core") / "prompts")) / "rationales.yaml")
    if not path:
        return built_in
    own = load_config(Prompts, Path(path))
    given = yaml.safe_load(Path(path).read_text(encoding="utf-8")) or {}
    return replace(built_in, **{name: getattr(own, name) for name in given})


def filled(prompt: str, **values: str) -> str:
    """`prompt` with each {name} replaced in one pass: what a value holds is never filled in itself."""
    return _PLACE.sub(lambda found: values.get(found[1], found[0]), prompt)
