"""Settings are typed: what no dataclass knows is refused by the nearest name, a wrong type by its key."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loupe.core.config import load_config, overlaid, to_yaml
from loupe.core.errors import ConfigError, MissingFileError


@dataclass
class Inner:
    rate: float = 0.5
    names: list[str] = field(default_factory=lambda: ["a"])


@dataclass
class Outer:
    steps: int = 10
    output: str = "runs/x"
    fast: bool = False
    limit: int | None = None
    inner: Inner = field(default_factory=Inner)
    trainer: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.steps < 0:
            raise ConfigError(f"got steps={self.steps}; wanted zero or more")


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "stage.yaml"
    path.write_text(text)
    return path


def test_without_a_file_the_defaults_hold() -> None:
    assert load_config(Outer) == Outer()


def test_overrides_go_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    path = written(tmp_path, "steps: 20\ninner:\n  rate: 0.25\n")
    made = load_config(Outer, path, ["steps=30", "inner.names=[b, c]"])
    assert made == Outer(steps=30, inner=Inner(rate=0.25, names=["b", "c"]))


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert load_config(Outer, written(tmp_path, "# nothing\n")) == Outer()


def test_a_free_field_takes_any_key() -> None:
    made = load_config(Outer, None, ["trainer.max_steps=3", "trainer.optim=adamw_torch"])
    assert made.trainer == {"max_steps": 3, "optim": "adamw_torch"}


def test_an_override_may_hold_an_equals_sign() -> None:
    assert load_config(Outer, None, ["output=a=b"]).output == "a=b"


def test_null_is_a_value_where_the_field_allows_it() -> None:
    assert load_config(Outer, None, ["limit=5"]).limit == 5
    assert load_config(Outer, None, ["limit=null"]).limit is None


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("step=1", "did you mean steps?"),
        ("inner.rat=1", r"did you mean inner.rate?"),
        ("zzz=1", "valid keys: fast, inner"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(tmp_path: Path, word: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Outer, None, [word])
    assert hint in str(caught.value)
    key, value = word.split("=")
    text = "".join(f"{'  ' * depth}{name}:\n" for depth, name in enumerate(key.split(".")))[:-1] + f" {value}\n"
    with pytest.raises(ConfigError, match=r"stage\.yaml") as caught:
        load_config(Outer, written(tmp_path, text))
    assert hint in str(caught.value)


@pytest.mark.parametrize(
    "word",
    [
        "steps=many",
        "steps=1.5",
        "steps=[1]",
        "steps=null",
        "fast=perhaps",
        "inner.rate=quick",
        "inner.names=b",
        "inner=3",
    ],
)
def test_a_wrong_type_is_refused_in_one_line_with_its_key(word: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(Outer, None, [word])
    assert word.split("=")[0] in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_value_that_the_dataclass_refuses_is_a_config_error() -> None:
    with pytest.raises(ConfigError, match="wanted zero or more"):
        load_config(Outer, None, ["steps=-1"])


@pytest.mark.parametrize("word", ["steps", "=3", "", "steps: 3"])
def test_an_override_needs_a_key_and_a_value(word: str) -> None:
    with pytest.raises(ConfigError, match="wanted key=value"):
        load_config(Outer, None, [word])


def test_a_config_file_without_its_option_is_told_where_to_go() -> None:
    with pytest.raises(ConfigError, match=r"-c recipes/one\.yaml"):
        load_config(Outer, None, ["recipes/one.yaml"])


@pytest.mark.parametrize("text", ["a: [", "- 1\n- 2\n", "just words", "steps: 1\nsteps: 2\n", "\x00"])
def test_broken_yaml_is_refused_with_the_name_of_the_file(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"stage\.yaml") as caught:
        load_config(Outer, written(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_yaml_cannot_make_objects(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_config(Outer, written(tmp_path, "output: !!python/object/apply:os.getcwd []\n"))


@pytest.mark.parametrize("word", ["steps=[", "steps={a", "inner.names=[a", "output=${nowhere}", "a..b=1", "inner.=1"])
def test_a_broken_override_is_refused(word: str) -> None:
    with pytest.raises(ConfigError):
        load_config(Outer, None, [word])


def test_a_list_in_the_place_of_a_mapping_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        load_config(Outer, written(tmp_path, "inner: [1, 2]\n"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"gone\.yaml"):
        load_config(Outer, tmp_path / "gone.yaml")


@given(
    steps=st.integers(0, 10**9),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    names=st.lists(st.text(st.characters(codec="ascii", categories=("L", "N", "P", "Zs")), max_size=5), max_size=3),
    limit=st.none() | st.integers(),
)
def test_what_is_written_is_what_is_read(
    tmp_path_factory: pytest.TempPathFactory, steps: int, rate: float, names: list[str], limit: int | None
) -> None:
    names = [name.replace("$", "") for name in names]
    config = Outer(steps=steps, limit=limit, inner=Inner(rate, names))
    path = tmp_path_factory.mktemp("config") / "config.yaml"
    path.write_text(to_yaml(config))
    assert load_config(Outer, path) == config


def test_a_mapping_is_laid_over_a_config_that_keeps_the_rest() -> None:
    made = overlaid(Outer(steps=3), {"inner": {"rate": 0.1}}, source="flavour a")
    assert (made.steps, made.inner.rate, made.inner.names) == (3, 0.1, ["a"])


def test_an_unknown_key_of_the_mapping_is_named_with_its_source() -> None:
    with pytest.raises(ConfigError, match="flavour a: unknown key stepz; did you mean steps"):
        overlaid(Outer(), {"stepz": 1}, source="flavour a")
