"""One way from a YAML file and `key=value` words to a typed dataclass, for every stage.

OmegaConf does the typing; what is added here are messages that name the nearest valid key, and refusal of whatever a
dataclass does not know. A hand-written YAML holds only what differs from the defaults; `to_yaml` writes the whole.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from loupe.core.errors import ConfigError, MissingFileError

T = TypeVar("T")


def load_config(schema: type[T], path: Path | str | None = None, overrides: Sequence[str] = ()) -> T:
    """Instance of the dataclass `schema`: defaults, then the YAML file, then `key=value` overrides, in that order.

    Raises as `load_layers` does.
    """
    return load_layers(schema, [] if path is None else [path], overrides)


def load_layers(schema: type[T], paths: Sequence[Path | str], overrides: Sequence[str] = ()) -> T:
    """The same for several YAML files, of which a later one wins over an earlier one.

    Raises MissingFileError where the file is not there, ConfigError for an unknown key, a wrong type or broken YAML.
    """
    node = OmegaConf.structured(schema)
    for path in paths:
        node = _merge(schema, node, _read_yaml(Path(path)), source=str(path))
    for word in overrides:
        if "=" not in word or word.startswith("="):
            hint = f"; a config file goes behind -c: -c {word}" if word.endswith((".yaml", ".yml")) else ""
            raise ConfigError(f"got the override {word!r}; wanted key=value, for example trainer.max_steps=20{hint}")
        node = _merge(schema, node, _dotted(word), source=f"override {word!r}")
    return _instance(node)


def overlaid(config: T, over: Mapping[str, Any], *, source: str) -> T:
    """The dataclass `config` with the keys of a plain mapping over its own; `source` names them in an error.

    Raises ConfigError for an unknown key and for a wrong type.
    """
    node = OmegaConf.structured(config)
    return _instance(_merge(type(config), node, OmegaConf.create(dict(over)), source=source))


def word_in(path: Path | str, key: str) -> str:
    """The plain word under a top key of a YAML file, "" where there is none. Raises MissingFileError, ConfigError."""
    value = _read_yaml(Path(path)).get(key)
    return value if isinstance(value, str) else ""


def to_yaml(config: Any) -> str:
    """The whole configuration as YAML, defaults included, in the order of its fields."""
    return OmegaConf.to_yaml(OmegaConf.structured(config))


def _read_yaml(path: Path) -> DictConfig:
    if not path.is_file():
        raise MissingFileError(f"no config file {path}; give the path of a YAML file, such as configs/pocket/sft.yaml")
    try:
        node = OmegaConf.load(path)
    except (YAMLError, OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not readable YAML: {_first_line(error)}") from error
    if not isinstance(node, DictConfig):
        raise ConfigError(f"{path} holds a {type(node).__name__}; wanted key: value lines")
    return node


def _instance(node: DictConfig) -> Any:
    try:
        return OmegaConf.to_object(node)
    except OmegaConfBaseException as error:
        raise ConfigError(_first_line(error)) from error


def _dotted(word: str) -> DictConfig:
    try:
        return OmegaConf.from_dotlist([word])
    except (YAMLError, OmegaConfBaseException) as error:
        raise ConfigError(f"cannot read the override {word!r}: {_first_line(error)}") from error


def _merge(schema: type, node: DictConfig, part: DictConfig, *, source: str) -> DictConfig:
    _refuse_unknown(schema, part, source=source, prefix="")
    try:
        return OmegaConf.merge(node, part)  # type: ignore[return-value]
    except TypeError as error:
        raise ConfigError(f"{source}: got a list where keys with values are wanted, or the other way round") from error
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None) or "?"
        raise ConfigError(f"{source}: {key}: {_first_line(error)}") from error


def _refuse_unknown(schema: type, part: DictConfig, *, source: str, prefix: str) -> None:
    """Unknown keys, at any depth that is typed; a `dict` field (such as `trainer`) takes any key."""
    known = {item.name for item in fields(schema)}  # type: ignore[arg-type]
    types = get_type_hints(schema)
    for key in part:
        name = str(key)
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"valid keys: {', '.join(sorted(known))}"
            raise ConfigError(f"{source}: unknown key {prefix}{name}; {hint}")
        child = part._get_node(key)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - the plain item resolves too early
        if is_dataclass(types[name]) and isinstance(child, DictConfig):
            _refuse_unknown(types[name], child, source=source, prefix=f"{prefix}{name}.")  # type: ignore[arg-type]


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
