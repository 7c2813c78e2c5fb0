"""`loupe ablate`: the line becomes a config, a wrong one is one line on stderr, a missing start is made or missed."""

import sys
from pathlib import Path

import pytest

from loupe.bench.ablation import ablate as bench
from loupe.bench.ablation.config import AblateConfig
from loupe.cli.main import main
from loupe.core.errors import ConfigError

ROOT = Path(__file__).parents[2]


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", "ablate", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[AblateConfig, dict]]:
    calls: list[tuple[AblateConfig, dict]] = []

    def record(config: AblateConfig, **options: object) -> None:
        calls.append((config, options))
        raise ConfigError("enough")

    monkeypatch.setattr(bench, "ablate", record)
    return calls


def test_file_overrides_and_options_meet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seen: list[tuple[AblateConfig, dict]]
) -> None:
    (tmp_path / "a.yaml").write_text("rows: {score: {set: [rewards.score=1]}}\nseeds: [7]\n")
    assert run(monkeypatch, str(tmp_path / "a.yaml"), "limit=9", "--jobs", "2", "--retry-failed") == 2
    config, options = seen[0]
    assert (config.limit, config.seeds, list(config.rows)) == (9, [7], ["score"])
    assert (options["jobs"], options["retry_failed"]) == (2, True)


@pytest.mark.parametrize("name", ["quick", "rewards"])
def test_the_configs_of_the_two_targets_make_what_is_missing_by_the_pocket_recipe(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seen: list[tuple[AblateConfig, dict]]
) -> None:
    from loupe.cli.recipe import Recipe

    made: list[str] = []
    monkeypatch.setattr(Recipe, "data", lambda self, stage: made.append(stage))
    monkeypatch.setattr(Recipe, "sft", lambda self, stage: made.append(stage))
    monkeypatch.chdir(tmp_path)
    config = str(ROOT / "configs" / "ablations" / f"{name}.yaml")
    monkeypatch.setattr("loupe.rewards.settings.PRESETS", ROOT / "configs" / "systems")
    assert run(monkeypatch, config, f"prepare={ROOT / 'configs' / 'pocket'}") == 2
    assert made == ["data", "sft", "own"]
    assert len(seen[0][0].seeds) >= (3 if name == "rewards" else 2)


@pytest.mark.parametrize(
    "word", ["start=some-org/some-model", "start=runs/typo/model", "seeds=[]", "max_steps=0", "rows.score.rewards=typo"]
)
def test_nothing_is_made_for_what_the_recipe_does_not_make_or_cannot_be_run(
    word: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seen: list[tuple[AblateConfig, dict]]
) -> None:
    from loupe.cli.recipe import Recipe

    def never(self: Recipe, stage: str) -> None:
        raise AssertionError(f"{stage} was made")

    monkeypatch.setattr(Recipe, "data", never)
    monkeypatch.chdir(ROOT)
    assert run(monkeypatch, "configs/ablations/quick.yaml", f"data={tmp_path}", "start=x", word) == 2


def test_what_is_there_is_not_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, seen: list[tuple[AblateConfig, dict]]
) -> None:
    from loupe.cli.recipe import Recipe

    made: list[str] = []
    monkeypatch.setattr(Recipe, "data", lambda self, stage: made.append(stage))
    monkeypatch.setattr(Recipe, "sft", lambda self, stage: made.append(stage))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "pocket").mkdir(parents=True)
    (tmp_path / "data" / "pocket" / "test.jsonl").write_text("")
    (tmp_path / "runs" / "pocket" / "own" / "model").mkdir(parents=True)
    quick = str(ROOT / "configs" / "ablations" / "quick.yaml")
    assert run(monkeypatch, quick, f"prepare={ROOT / 'configs' / 'pocket'}") == 2
    assert (made, len(seen)) == ([], 1)


def test_wrong_input_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in ((["nowhere.yaml"], "no config file nowhere.yaml"), ([], "Missing argument")):
        assert run(monkeypatch, *words) == 2
        assert said in capsys.readouterr().err
