import json
import sys
from pathlib import Path
from typing import Any

import pytest

from loupe.bench.sets import run as sets_run
from loupe.cli.main import main
from loupe.core.answer import answer_of
from loupe.core.errors import ConfigError
from loupe.core.records import WHOLE, Episode, Sample, StopReason, Turn


def call(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["loupe", *words])
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def samples(count: int) -> list[Sample]:
    return [Sample(f"s{n}", f"images/s{n}.png", "koniq-10k", "test", 1 + n / 4, 1 + n / 4) for n in range(count)]


def run_folder(folder: Path, shift: float, count: int = 12) -> Path:
    folder.mkdir()
    rows = [
        {
            "sample": sample.to_json(),
            "look": "decided",
            "episode": Episode(
                sample.id,
                (Turn(WHOLE, "x", answer_of("x", rating=min(5.0, sample.rating + shift * (n % 3))), 1, 0.1),),
                StopReason.FINAL,
            ).to_json(),
        }
        for n, sample in enumerate(samples(count))
    ]
    (folder / "predictions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def test_a_file_with_sets_is_judged_as_sets_and_any_other_as_before(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    path = tmp_path / "sets.yaml"
    path.write_text("sets: [data/a, data/b]\nlimit: 3\n")
    seen: list[Any] = []

    def record(config: Any, **_: object) -> None:
        seen.append(config)
        raise ConfigError("enough")

    monkeypatch.setattr(sets_run, "evaluate_sets", record)
    assert call(monkeypatch, "evaluate", "-c", str(path), "seed=4", "--resume") == 2
    assert (seen[0].sets, seen[0].limit, seen[0].seed, seen[0].resume) == (["data/a", "data/b"], 3, 4, True)
    assert call(monkeypatch, "evaluate", "sets=[{name: x, data: data/a}]") == 2
    assert seen[1].sets == [{"name": "x", "data": "data/a"}]
    assert call(monkeypatch, "evaluate", "data=data/none") == 2
    assert len(seen) == 2
    assert call(monkeypatch, "evaluate", "--fast", "-c", str(path)) == 2
    assert call(monkeypatch, "evaluate", "--samples", "3", "-c", str(path)) == 2
    assert [(item.fast, item.samples) for item in seen[2:]] == [(True, 1), (False, 3)]


def test_two_runs_are_compared_on_the_screen_and_in_a_file(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    a, b = run_folder(tmp_path / "a", 0.0), run_folder(tmp_path / "b", 0.9)
    output = tmp_path / "found.json"
    assert call(monkeypatch, "compare-runs", str(a), str(b), "--output", str(output), "--n-boot", "200") == 0
    said = capsys.readouterr()
    assert "a better:" in said.out
    found = json.loads(output.read_text())
    assert found["sets"][""]["looks"]["decided"]["better"]["mae"] == "a"


def test_runs_that_are_not_there_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    assert call(monkeypatch, "compare-runs", str(tmp_path / "a"), str(tmp_path / "b")) == 2
    said = capsys.readouterr().err
    assert said.startswith("loupe: error:") and said.count("\n") == 1


def test_a_file_is_scored_and_the_exit_code_says_whether_all_had_a_partner(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    data, output = tmp_path / "data", tmp_path / "out.json"
    data.mkdir()
    items = samples(12)
    (data / "test.jsonl").write_text("".join(json.dumps(item.to_json()) + "\n" for item in items))
    file = tmp_path / "scores.csv"
    file.write_text("image,score\n" + "".join(f"{item.id}.png,{item.rating}\n" for item in items))
    words = ("score-file", str(file), "--data", str(data), "--n-boot", "0")
    assert call(monkeypatch, *words, "--scale", "1", "5", "--output", str(output)) == 0
    said = capsys.readouterr()
    assert "koniq-10k" in said.out and "1.000" in said.out
    assert "fitted on the test labels" in said.out
    assert "is csv (told by its content" in said.err
    assert json.loads(output.read_text())["complete"] is True
    file.write_text(file.read_text() + "zebra.png,3\n")
    assert call(monkeypatch, *words) == 1
    assert "1 rows name no image of the data, such as zebra.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("columns", "words"), [("image", "wanted name=value"), ("image=", "wanted name=value"), ("image=no", "no column")]
)
def test_columns_that_cannot_be_read_are_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path, columns: str, words: str
):
    file = tmp_path / "s.csv"
    file.write_text("image,score,mos\na,1,2\n")
    assert call(monkeypatch, "score-file", str(file), "--columns", columns) == 2
    assert words in capsys.readouterr().err


def test_the_file_that_is_scored_is_not_written_over(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    file = tmp_path / "s.csv"
    file.write_text("image,score,mos\na,1,2\n")
    assert call(monkeypatch, "score-file", str(file), "--output", str(file)) == 2
    assert "one of the files to read" in capsys.readouterr().err


def test_published_results_are_printed_and_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    assert call(monkeypatch, "report", "--published") == 0
    assert capsys.readouterr().out.startswith("# Published results")
    assert call(monkeypatch, "report", "--published", "--output", str(tmp_path / "p.html")) == 0
    assert (tmp_path / "p.html").is_file()
    assert call(monkeypatch, "report", "--output", str(tmp_path / "p.md")) == 2
    assert "goes with --published" in capsys.readouterr().err
    assert call(monkeypatch, "report", "--published", "out=x") == 2
    assert "unknown key out" in capsys.readouterr().err
