"""An ablation from its config to its table, with made-up stages: resumed, killed, failed, capped, in parallel."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from loupe.bench.ablation.ablate import ablate
from loupe.bench.ablation.config import AblateConfig, RowConfig
from loupe.bench.ablation.process import take_lock
from loupe.bench.ablation.table import short_table
from loupe.core.config import to_yaml
from loupe.core.errors import ConfigError, ModelError
from loupe.core.files import read_json, read_jsonl

PROGRAM = [sys.executable, str(Path(__file__).with_name("fake_stages.py"))]
RUNNER = """
import sys
from loupe.bench.ablation.ablate import ablate
from loupe.bench.ablation.config import AblateConfig
from loupe.core.config import load_config
ablate(load_config(AblateConfig, sys.argv[1]), program=sys.argv[2:])
"""
NOTHING = [f"rewards.{name}=0" for name in ("format", "score", "degradation", "rank")]
ROWS = {
    "score": RowConfig(set=["rewards.score=1"]),
    "all four": RowConfig(set=[f"rewards.{name}=1" for name in ("format", "score", "degradation", "rank")]),
}
Make = Callable[..., AblateConfig]


@pytest.fixture
def make(data_folder: Callable[[int], Path], tmp_path: Path) -> Make:
    for name in ("grpo", "evaluate"):
        (tmp_path / f"{name}.yaml").write_text("seed: 0\n")
    data = data_folder(40)
    (data / "train.jsonl").write_bytes((data / "test.jsonl").read_bytes())

    def build(**settings: object) -> AblateConfig:
        config = AblateConfig(
            grpo=str(tmp_path / "grpo.yaml"),
            evaluate=str(tmp_path / "evaluate.yaml"),
            start="pocket-agent",
            data=str(data),
            out=str(tmp_path / "out"),
            base=NOTHING,
            rows=dict(ROWS),
            seeds=[0, 1],
            max_minutes=5.0,
            limit=40,
            n_boot=200,
        )
        return replace(config, **settings)  # type: ignore[arg-type]

    return build


def run(config: AblateConfig, **options: object) -> dict:
    return read_json(ablate(config, program=PROGRAM, **options))  # type: ignore[arg-type]


def starts(out: str) -> int:
    return sum(len(read_jsonl(path)) for path in Path(out).glob("cells/*/*/grpo/starts"))


def test_a_matrix_becomes_a_table_and_the_better_row_is_called_better(make: Make) -> None:
    config = make()
    data = run(config)
    assert [row["name"] for row in data["rows"]] == ["score", "all four", "start (no RL)"]
    assert data["failures"] == [] and (data["images"], data["groups"]) == (40, 20)
    reference, better, _ = data["rows"]
    assert reference["seeds"] == [0, 1] and reference["seeds_compared"] == 0
    assert better["shown"]["srcc"] == "better"
    assert better["differences"]["class_accuracy"] == [0.0, 0.0, 0.0]
    assert better["figures"]["entropy"][0] == pytest.approx(0.1)
    assert better["figures"]["seconds"][0] == 5.0
    for cell in Path(config.out).glob("cells/*/*"):
        assert read_json(cell / "cell.json")["status"] == "done"
        assert (cell / "log.txt").read_text().count('"verb"') == 2


def test_what_is_done_is_not_done_again_and_the_tables_are(make: Make) -> None:
    config = make()
    first, began = run(config), time.monotonic()
    (Path(config.out) / "table.md").unlink()
    assert run(config) == first
    assert starts(config.out) == 4
    assert (Path(config.out) / "table.md").is_file()
    assert time.monotonic() - began < 20.0


def test_several_at_a_time_give_the_same_table(make: Make, tmp_path: Path) -> None:
    serial = run(make())
    parallel = run(make(out=str(tmp_path / "parallel")), jobs=2)
    assert parallel["rows"] == serial["rows"]


def test_a_cell_that_fails_is_a_row_of_the_result_and_the_others_go_on(make: Make) -> None:
    rows = ROWS | {"broken": RowConfig(set=["rewards.rank=nonsense"])}
    config = make(rows=rows)
    data = run(config)
    assert [failure["cell"] for failure in data["failures"]] == ["broken, seed 0", "broken, seed 1"]
    assert "could not be converted" in data["failures"][0]["reason"]
    assert [len(row["seeds"] or []) for row in data["rows"]] == [2, 2, 0, 0]
    table = (Path(config.out) / "table.md").read_text()
    assert "- broken, seed 0: grpo: rewards.rank" in table and "| broken | 0 of 2 |" in table


def test_a_failed_cell_is_tried_again_only_when_asked(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make(rows={"score": ROWS["score"]}, seeds=[0], max_minutes=0.02)
    monkeypatch.setenv("FAKE_SECONDS", "30")
    reason = run(config)["failures"][0]["reason"]
    assert "not done within max_minutes" in reason
    monkeypatch.setenv("FAKE_SECONDS", "0")
    patient = replace(config, max_minutes=5.0)
    assert len(run(patient)["failures"]) == 1
    assert run(patient, retry_failed=True)["failures"] == []


def test_a_row_that_changed_is_refused_before_any_work(make: Make) -> None:
    run(make(seeds=[0]))
    changed = make(seeds=[0], rows=ROWS | {"all four": RowConfig(set=["rewards.score=2"])})
    with pytest.raises(ConfigError, match=r"row 'all four' has changed .* choose another out"):
        run(changed)


def test_a_killed_ablation_goes_on_and_leaves_no_orphan(
    make: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make(seeds=[0])
    (tmp_path / "ablation.yaml").write_text(to_yaml(config))
    words = [sys.executable, "-c", RUNNER, str(tmp_path / "ablation.yaml"), *PROGRAM]
    runner = subprocess.Popen(words, env={**os.environ, "FAKE_SECONDS": "30"})
    begun = Path(config.out) / "cells" / "score" / "seed-0"
    deadline = time.monotonic() + 60.0
    while not (begun / "grpo" / "starts").is_file():
        assert time.monotonic() < deadline and runner.poll() is None
        time.sleep(0.05)
    os.kill(runner.pid, signal.SIGKILL)
    runner.wait()
    assert read_json(begun / "cell.json")["status"] == "begun"
    # The training of 30 seconds dies with its runner, so its lock is free long before it would have ended.
    while (lock := take_lock(begun / "lock")) is None:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.close(lock)
    monkeypatch.setenv("FAKE_SECONDS", "0")
    data = run(config)
    assert data["failures"] == []
    assert len(read_jsonl(begun / "grpo" / "starts")) == 2


def test_two_runners_do_not_share_a_folder(make: Make) -> None:
    config = make()
    lock = take_lock(Path(config.out) / "lock")
    assert lock is not None
    with pytest.raises(ConfigError, match="another loupe ablate is at work"):
        run(config)
    os.close(lock)


def test_the_tables_say_the_same_in_every_form(make: Make) -> None:
    config = make(rows={"score": ROWS["score"], "<script>alert(1)</script> | x": ROWS["all four"]})
    data, out = run(config), Path(config.out)
    rows = list(csv.DictReader((out / "table.csv").open(encoding="utf-8")))
    assert [row["row"] for row in rows] == [row["name"] for row in data["rows"]]
    for row, plain in zip(data["rows"], rows, strict=True):
        assert [float(plain[f"srcc{end}"]) for end in ("", "_low", "_high")] == row["figures"]["srcc"]
    page, table = ((out / name).read_text() for name in ("ablation.html", "table.md"))
    assert "<script>" not in page and "&lt;script&gt;" in page
    lines = [line for line in table.splitlines() if line.startswith("|")]
    assert len({line.replace("\\|", "").count("|") for line in lines[:5]}) == 1
    short = short_table(data)
    assert [row[0] for row in short.rows] == [row["name"] for row in data["rows"]]
    assert short.rows[0][-1] == "–" and short.rows[1][-1] == "better: SRCC, PLCC, balanced error"
    assert (out / "forest.svg").read_bytes().startswith(b"<?xml")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rows": {}}, "got no rows"),
        ({"rows": {"a b": ROWS["score"], "A-B": ROWS["score"]}}, "no other row has"),
        ({"rows": {"a": RowConfig(set=["rewards.rank"])}}, "wanted KEY=VALUE"),
        ({"rows": {"a": RowConfig(set=["seed=3"])}}, "set by the ablation itself"),
        ({"seeds": [1, 1]}, "seeds"),
        ({"max_steps": 0}, "max_steps"),
        ({"max_minutes": 0.0}, "max_minutes"),
        ({"limit": 0}, "limit"),
    ],
)
def test_what_cannot_be_is_refused_at_the_door(make: Make, wrong: dict, words: str) -> None:
    config = make(**wrong)
    with pytest.raises(ConfigError, match=words):
        run(config)
    assert not (Path(config.out) / "cells").exists()


def test_a_start_that_is_not_there_is_refused_at_the_door(make: Make) -> None:
    with pytest.raises(ModelError, match="no model 'runs/nothing/model'"):
        run(make(start="runs/nothing/model"))


def test_the_commands_of_a_cell_can_be_given_again_by_hand(make: Make) -> None:
    config = make(seeds=[3])
    run(config)
    log = (Path(config.out) / "cells" / "score" / "seed-3" / "log.txt").read_text().splitlines()
    said = [json.loads(line) for line in log if line.startswith("{")]
    assert [item["verb"] for item in said] == ["grpo", "evaluate"]
    assert {"seed=3", "rewards.score=1", "trainer.max_steps=40", "--resume"} <= set(said[0]["words"])
    assert said[0]["words"].index("rewards.score=0") < said[0]["words"].index("rewards.score=1")
