"""The rows of the ablations that come with Loupe are settings that `loupe grpo` takes, and say what they pay."""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import pytest

from loupe.bench.ablation.config import AblateConfig, RowConfig
from loupe.core.config import load_config
from loupe.grpo.config import GrpoConfig
from loupe.grpo.systems import reward_words

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "configs" / "ablations").glob("*.yaml"))


def begins_with_nothing(config: AblateConfig) -> bool:
    """Whether the rows say themselves which rewards they pay, as those of an ablation of rewards do."""
    return "rewards.score=0" in config.base


def rows() -> Iterator[tuple[str, AblateConfig, RowConfig]]:
    for path in FILES:
        config = load_config(AblateConfig, path)
        yield from ((f"{path.stem}: {name}", config, row) for name, row in config.rows.items())


def trained(config: AblateConfig, row: RowConfig) -> GrpoConfig:
    """The settings of a cell, put together as the command line does it."""
    first = reward_words(row.rewards, folder=ROOT / "configs" / "systems") if row.rewards else config.base
    return load_config(GrpoConfig, ROOT / config.grpo, [*first, *row.set])


@pytest.mark.parametrize(("config", "row"), [pytest.param(config, row, id=name) for name, config, row in rows()])
def test_a_row_is_taken_by_grpo_and_pays_for_something(config: AblateConfig, row: RowConfig) -> None:
    assert sum(asdict(trained(config, row).rewards).values()) > 0


@pytest.mark.parametrize(("config", "row"), [pytest.param(config, row, id=name) for name, config, row in rows()])
def test_a_row_without_a_preset_pays_for_what_it_names_and_nothing_else(config: AblateConfig, row: RowConfig) -> None:
    if not row.rewards and begins_with_nothing(config):
        paid = {name for name, weight in asdict(trained(config, row).rewards).items() if weight}
        assert paid == {word.split("=")[0].removeprefix("rewards.") for word in row.set if word.startswith("rewards.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_rows_without_a_preset_differ_from_each_other_in_what_grpo_is_told(path: Path) -> None:
    config = load_config(AblateConfig, path)
    told = [str(trained(config, row)) for row in config.rows.values() if not row.rewards]
    assert len(set(told)) == len(told) > 1


def test_q_insight_pays_what_the_row_with_degradation_pays() -> None:
    """So the two rows of one table are a check on each other: the same seeds, the same settings."""
    config = load_config(AblateConfig, ROOT / "configs" / "ablations" / "rewards.yaml")
    assert trained(config, config.rows["q-insight"]) == trained(config, config.rows["+ degradation"])
