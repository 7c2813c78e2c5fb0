"""Presets: each paper's rewards by name, with the numbers that the paper gives, and settings that TRL takes."""

from pathlib import Path

import pytest

from loupe.core.config import load_config
from loupe.core.errors import ConfigError, MissingFileError
from loupe.core.protocol import load_protocol
from loupe.grpo.config import GrpoConfig
from loupe.grpo.systems import reward_words
from loupe.grpo.train import run_grpo, trainer_arguments

FOLDER = Path(__file__).parents[2] / "configs" / "systems"
NAMES = ["loupe", "q-insight", "q-insight-comparison", "visualquality-r1", "zoom-iqa"]


def weights(name: str) -> dict[str, float]:
    config = load_config(GrpoConfig, None, reward_words(name, folder=FOLDER))
    return {key: value for key, value in vars(config.rewards).items() if value}


def test_every_system_has_its_preset() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.yaml")) == NAMES


def test_the_weights_are_those_of_the_papers_and_ours_where_they_are_silent() -> None:
    assert weights("visualquality-r1") == {"format": 1.0, "rank": 1.0}
    assert weights("q-insight") == {"format": 1.0, "score": 1.0, "degradation": 1.0}
    assert weights("q-insight-comparison") == {"format": 1.0, "comparison": 1.0}
    assert weights("zoom-iqa") == {"format": 1.0, "score": 1.0, "rank": 1.0}
    assert set(weights("loupe")) == {"format", "score", "degradation", "rank", "comparison"}


def test_a_preset_sets_every_weight_and_option_and_nothing_else() -> None:
    words = [word.split("=")[0] for word in reward_words("q-insight", folder=FOLDER)]
    keys = GrpoConfig()
    assert words == [f"rewards.{key}" for key in vars(keys.rewards)] + [
        f"reward_options.{key}" for key in vars(keys.reward_options)
    ]


def test_settings_behind_a_preset_win_over_it() -> None:
    config = load_config(GrpoConfig, None, [*reward_words("q-insight", folder=FOLDER), "rewards.rank=0.5"])
    assert (config.rewards.rank, config.rewards.score) == (0.5, 1.0)


@pytest.mark.parametrize("name", NAMES)
def test_trl_takes_the_settings_of_a_preset(name: str, tmp_path: Path) -> None:
    config = load_config(GrpoConfig, FOLDER / f"{name}.yaml", ["trainer.bf16=false", "trainer.use_cpu=true"])
    arguments = trainer_arguments(config, tmp_path)
    assert arguments.num_generations in (6, 8)
    assert load_protocol(config.protocol).asks


def test_an_unknown_preset_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(MissingFileError, match="q-insight-comparison, visualquality-r1, zoom-iqa"):
        reward_words("klingon", folder=FOLDER)


def test_a_comparison_is_played_over_pairs_and_asks_for_them_before_any_work(
    tmp_path: Path, synthetic_folder: Path
) -> None:
    config = load_config(
        GrpoConfig, FOLDER / "q-insight-comparison.yaml", ["trainer.bf16=false", "trainer.use_cpu=true"]
    )
    config.data, config.out = str(synthetic_folder), str(tmp_path / "out")
    with pytest.raises(ConfigError, match=r"compares images and .* has no pairs"):
        run_grpo(config)
    assert not (tmp_path / "out").exists()
