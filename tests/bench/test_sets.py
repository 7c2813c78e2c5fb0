import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from loupe.bench.correlate import correlations, draws, mean_interval, weighted_statistic
from loupe.bench.evaluate import EvaluateConfig, evaluate
from loupe.bench.predictions import read_predictions
from loupe.bench.sets.config import SetsConfig, data_sets
from loupe.bench.sets.means import Part, means, own_seed
from loupe.bench.sets.page import cells
from loupe.bench.sets.run import evaluate_sets
from loupe.core.config import load_config
from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.policy import Conversation, Reply
from loupe.core.records import Sample
from loupe.zoom.scripted import ScriptedPolicy

Make = Callable[[int], list[Sample]]
EVIL = "<b>&amp;x"


def build(folder: Path, samples: list[Sample]) -> Path:
    (folder / "images").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for sample in samples:
        Image.fromarray(rng.integers(0, 255, (48, 48, 3), dtype=np.uint8)).save(folder / sample.image)
    (folder / "test.jsonl").write_text("".join(json.dumps(sample.to_json()) + "\n" for sample in samples))
    return folder


@pytest.fixture
def folders(tmp_path: Path, samples: Make) -> list[Path]:
    return [build(tmp_path / "one", samples(8)), build(tmp_path / "two", samples(14))]


def settings(folders: list[Path], **changes: Any) -> SetsConfig:
    plain: dict[str, Any] = {
        "sets": [str(folder) for folder in folders],
        "out": str(folders[0].parent / "sets"),
        "looks": ["decided"],
        "n_boot": 40,
        "trails": 2,
    }
    return SetsConfig(**{**plain, **changes})


def shaky(conversation: Conversation) -> Reply:
    """Rates by the number in the image's id, with one look, and cannot say anything about every seventh image."""
    number = int(conversation.key[1:4])
    if number % 7 == 6:
        return Reply("no idea")
    rating = 4.6 - 0.5 * (number % 6) - 0.13 * (number % 4)
    body = json.dumps({"distortion_class": "blur", "severity": "slight", "rating": round(rating, 2)})
    return Reply(f"<think>x</think><answer>{body}</answer>")


def linear(name: str, values: list[float], groups: list[str] | None = None) -> Part:
    x = np.array(values)
    return Part(name, lambda w: (w @ x) / w.sum(axis=1), groups or [str(place) for place in range(len(values))])


def test_the_two_means_of_hand_worked_sets():
    found = means([linear("a", [1.0, 3.0]), linear("b", [5.0, 6.0, 7.0, 8.0, 9.0, 7.0])], n_boot=0)
    assert found.macro.value == pytest.approx((2 + 7) / 2)
    assert found.weighted.value == pytest.approx((2 * 2 + 6 * 7) / 8)
    assert math.isnan(found.macro.low)


def test_one_set_alone_is_its_own_mean_with_the_interval_of_its_own_draws():
    values = [1.0, 2.0, 4.0, 8.0, 3.0]
    found = means([linear("a", values)], n_boot=300, seed=5)
    assert found.macro == found.weighted
    assert found.macro == pytest.approx(mean_interval(values, n_boot=300, seed=own_seed("a", 5)))


def test_equal_sets_are_drawn_independently_so_their_mean_is_narrower_by_the_root_of_two():
    values = list(np.random.default_rng(1).normal(size=200))
    one = means([linear("a", values)], n_boot=4000).macro
    both = means([linear("a", values), linear("b", values)], n_boot=4000).macro
    # With the same draws for both sets the ratio would be 1.
    assert (both.high - both.low) / (one.high - one.low) == pytest.approx(1 / math.sqrt(2), abs=0.05)


def test_what_is_drawn_of_a_set_does_not_depend_on_the_other_sets():
    first = means([linear("a", [1.0, 2.0, 5.0]), linear("b", [0.0, 0.0, 0.0])], n_boot=200).macro
    second = means([linear("b", [0.0, 0.0, 0.0]), linear("a", [1.0, 2.0, 5.0])], n_boot=200).macro
    assert first == pytest.approx(second)


def test_a_mean_leaves_out_no_set():
    flat = weighted_statistic("srcc", [3.0, 3.0, 3.0, 3.0], [1.0, 2.0, 3.0, 4.0])
    found = means([linear("a", [1.0, 2.0]), Part("flat", flat, list("abcd"))], n_boot=50)
    assert math.isnan(found.macro.value) and math.isnan(found.weighted.value)


def test_a_set_of_one_group_takes_the_interval_from_the_mean_and_not_the_value():
    found = means([linear("a", [1.0, 2.0]), linear("b", [3.0, 5.0], ["same", "same"])], n_boot=50)
    assert found.macro.value == pytest.approx(2.75)
    assert math.isnan(found.macro.low) and math.isnan(found.macro.high)


def test_the_interval_of_a_macro_mean_covers_the_truth_about_as_often_as_it_says():
    rng, hits = np.random.default_rng(3), 0
    for trial in range(200):
        parts = [linear(name, list(rng.normal(loc=2.0, size=60))) for name in "ab"]
        interval = means(parts, n_boot=200, seed=trial).macro
        hits += interval.low <= 2.0 <= interval.high
    assert 180 <= hits <= 199


def test_no_sets_have_no_mean():
    with pytest.raises(ValueError, match="no data sets"):
        means([])


def test_every_set_has_a_folder_and_the_table_repeats_their_summaries(folders: list[Path]):
    config = settings(folders)
    table = evaluate_sets(config, policy=ScriptedPolicy(shaky))
    out = Path(config.out)
    assert list(table["sets"]) == ["one", "two"]
    rows = table["looks"]["decided"]["sets"]
    for name, count in (("one", 8), ("two", 14)):
        summary = json.loads((out / name / "summary.json").read_text())
        scores = summary["looks"]["decided"]["all"]
        assert (rows[name]["n"], rows[name]["unusable"]) == (count, count // 7)
        assert rows[name]["all"]["plcc"] == scores["expected"]["all"]["plcc"]
        assert rows[name]["usable"]["srcc"] == scores["expected"]["usable"]["srcc"]
        assert rows[name]["usable"]["n"] == count - count // 7
    assert json.loads((out / "table.json").read_text()) == table


def test_the_means_are_those_of_the_figures_in_the_table(folders: list[Path]):
    table = evaluate_sets(settings(folders), policy=ScriptedPolicy(shaky))
    look = table["looks"]["decided"]
    for kind in ("all", "usable"):
        for key in ("plcc", "srcc", "krcc", "rmse"):
            values = [row[kind][key][0] for row in look["sets"].values()]
            sizes = [row[kind]["n"] for row in look["sets"].values()]
            both = look["means"][kind][key]
            assert both["macro"][0] == pytest.approx(np.mean(values))
            assert both["weighted"][0] == pytest.approx(np.average(values, weights=sizes))
            assert both["macro"][1] <= both["macro"][0] <= both["macro"][2]


def test_a_macro_interval_is_that_of_the_sets_own_draws(folders: list[Path]):
    config = settings(folders)
    table = evaluate_sets(config, policy=ScriptedPolicy(shaky))
    drawn = []
    for name in ("one", "two"):
        items = read_predictions(Path(config.out) / name / "predictions.jsonl")
        ratings = [item.episode.verdict.answer.rating if item.episode.verdict else 3.0 for item in items]
        statistic = weighted_statistic("srcc", ratings, [item.sample.rating for item in items])  # type: ignore[arg-type]
        groups = [item.group for item in items]
        batches = draws(groups, n=len(items), count=40, seed=own_seed(name, 0))
        drawn.append(np.concatenate([statistic(weights) for weights in batches]))
    low, high = np.nanquantile(np.mean(drawn, axis=0), [0.025, 0.975])
    assert table["looks"]["decided"]["means"]["all"]["srcc"]["macro"][1:] == pytest.approx([low, high])


def test_the_protocol_is_told_once_and_the_data_for_each_set(folders: list[Path]):
    table = evaluate_sets(settings(folders), policy=ScriptedPolicy(shaky))
    block = table["protocol"]
    assert {"model", "fingerprint", "decoding", "pixels", "versions", "bootstrap", "unusable"} <= set(block)
    assert not {"data", "split", "data_sha256"} & set(block)
    digests = [next(iter(origin["data_sha256"].values())) for origin in table["sets"].values()]
    assert len(set(digests)) == 2
    assert {"scipy", "scikit-learn", "numpy", "torch"} <= set(block["versions"])


def test_fitted_figures_stand_apart_under_a_name_that_says_so(folders: list[Path]):
    table = evaluate_sets(settings(folders), policy=ScriptedPolicy(shaky))
    row = table["looks"]["decided"]["sets"]["two"]
    assert set(row["fitted_on_test_labels"]) == {"logistic", "isotonic"}
    assert not {"logistic", "isotonic"} & set(row["all"])
    page = (Path(settings(folders).out) / "table.html").read_text()
    assert "Fitted on the test labels" in page


def test_the_page_shows_names_as_text(tmp_path: Path, samples: Make):
    folder = build(tmp_path / "one", samples(8))
    config = settings([folder], sets=[{"name": EVIL, "data": str(folder)}])
    evaluate_sets(config, policy=ScriptedPolicy(shaky))
    page = (Path(config.out) / "table.html").read_text()
    assert EVIL not in page
    assert "&lt;b&gt;&amp;amp;x" in page


def test_a_finished_run_plays_nothing_again_and_a_new_set_is_added_to_it(folders: list[Path]):
    evaluate_sets(settings(folders[:1]), policy=ScriptedPolicy(shaky))
    policy = ScriptedPolicy(shaky)
    table = evaluate_sets(settings(folders, resume=True), policy=policy)
    assert list(table["sets"]) == ["one", "two"]
    assert sum(len(call) for call in policy.seen) == 14
    again = ScriptedPolicy(shaky)
    assert evaluate_sets(settings(folders, resume=True), policy=again) == table
    assert again.calls == 0


def test_a_run_that_is_there_is_not_overwritten(folders: list[Path]):
    evaluate_sets(settings(folders), policy=ScriptedPolicy(shaky))
    with pytest.raises(ConfigError, match="resume=true"):
        evaluate_sets(settings(folders), policy=ScriptedPolicy(shaky))


def test_a_run_that_is_there_is_found_before_another_set_is_judged(folders: list[Path]):
    evaluate_sets(settings(folders[1:]), policy=ScriptedPolicy(shaky))
    policy = ScriptedPolicy(shaky)
    with pytest.raises(ConfigError, match="two holds another run"):
        evaluate_sets(settings(folders), policy=policy)
    assert policy.calls == 0


def test_several_answers_to_an_image_have_figures_for_each_set(folders: list[Path]):
    table = evaluate_sets(settings(folders, samples=2, n_boot=0), policy=ScriptedPolicy(shaky))
    sampled = table["looks"]["decided"]["sampled"]
    assert {name: (row["n"], row["samples"]) for name, row in sampled.items()} == {"one": (8, 2), "two": (14, 2)}
    page = (folders[0].parent / "sets" / "table.html").read_text()
    assert "one, 2 answers" in page
    assert evaluate_sets(settings(folders, samples=2, n_boot=0, resume=True), policy=ScriptedPolicy(shaky)) == table


def test_progress_counts_the_images_of_all_sets(folders: list[Path]):
    seen: list[tuple[int, int, str]] = []
    config = settings(folders, looks=["decided", "never"], chunk=3)
    evaluate_sets(config, policy=ScriptedPolicy(shaky), progress=lambda *step: seen.append(step))
    assert seen[-1] == (22, 22, "two")
    assert [done for done, _, _ in seen] == sorted(done for done, _, _ in seen)
    assert {name for _, _, name in seen} == {"one", "two"}


def test_the_model_is_loaded_once_for_all_sets(
    folders: list[Path], blank_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    from loupe.core.model import loading

    loads: list[str] = []
    real = loading.load_model

    def counted(config: Any, **options: Any) -> Any:
        loads.append(config.path)
        return real(config, **options)

    monkeypatch.setattr(loading, "load_model", counted)
    config = settings(folders, model=str(blank_folder), limit=2, n_boot=0)
    table = evaluate_sets(config)
    assert loads == [str(blank_folder)]
    assert list(table["protocol"]["weights_sha256"]) == ["model.safetensors"]
    assert table["protocol"]["pixels"].startswith("scaled to ")
    evaluate_sets(settings(folders, model=str(blank_folder), limit=2, n_boot=0, resume=True))
    assert len(loads) == 1


def test_a_missing_set_is_found_before_anything_is_judged(folders: list[Path], tmp_path: Path):
    policy = ScriptedPolicy(shaky)
    with pytest.raises(MissingFileError, match="three"):
        evaluate_sets(settings([*folders, tmp_path / "three"]), policy=policy)
    assert policy.calls == 0
    assert not (tmp_path / "sets").exists()


def test_a_set_without_opinions_is_refused_before_anything_is_judged(folders: list[Path], samples: Make):
    unrated = [replace(sample, rating=math.nan, mos=math.nan) for sample in samples(4)]
    blind = build(folders[0].parent / "blind", unrated)
    policy = ScriptedPolicy(shaky)
    with pytest.raises(DataError, match=r"blind.*no image has an opinion"):
        evaluate_sets(settings([*folders, blind]), policy=policy)
    assert policy.calls == 0


def test_images_without_an_opinion_are_in_neither_figure_nor_mean(folders: list[Path], samples: Make):
    mixed = [replace(s, rating=math.nan, mos=math.nan) if n % 4 == 0 else s for n, s in enumerate(samples(12))]
    part = build(folders[0].parent / "part", mixed)
    table = evaluate_sets(settings([part], looks=["decided"]), policy=ScriptedPolicy(shaky))
    look = table["looks"]["decided"]
    assert look["sets"]["part"]["all"]["n"] == 9
    assert look["means"]["all"]["srcc"]["macro"][0] == look["sets"]["part"]["all"]["srcc"][0]


def test_a_protocol_without_ratings_is_refused(folders: list[Path]):
    with pytest.raises(ConfigError, match="asks for no rating"):
        evaluate_sets(settings(folders, protocol="degradation"), policy=ScriptedPolicy(shaky))


def test_a_folder_of_a_single_evaluation_is_not_mixed_with_sets(folders: list[Path]):
    out = folders[0].parent / "sets"
    out.mkdir()
    (out / "predictions.jsonl").write_text("")
    with pytest.raises(ConfigError, match="single set"):
        evaluate_sets(settings(folders), policy=ScriptedPolicy(shaky))


def test_a_single_evaluation_is_not_written_into_a_folder_of_sets(folders: list[Path]):
    evaluate_sets(settings(folders), policy=ScriptedPolicy(shaky))
    single = EvaluateConfig(data=str(folders[0]), out=settings(folders).out, looks=["decided"])
    with pytest.raises(ConfigError, match="several data sets"):
        evaluate(single, policy=ScriptedPolicy(shaky))
    assert not (Path(single.out) / "predictions.jsonl").exists()


@pytest.mark.parametrize(
    ("sets", "words"),
    [
        ([], "no data folders"),
        (["data/a", "other/a"], "'a' comes twice"),
        (["data/a", {"name": "A", "data": "x"}], "comes twice"),
        ([{"nmae": "x", "data": "y"}], "did you mean name"),
        ([{"folder": "x"}], "unknown key folder"),
        ([{"name": "x"}], "names no folder"),
        ([3], "wanted the path of a data folder"),
        ([{"name": "../x", "data": "y"}], "cannot name a folder"),
        ([{"name": "..", "data": "y"}], "cannot name a folder"),
        (["."], "cannot name a folder"),
        ([{"name": "Table.json", "data": "y"}], "name of a file of results"),
    ],
)
def test_a_list_that_cannot_be_is_refused_in_words(sets: list[Any], words: str):
    with pytest.raises(ConfigError, match=words):
        data_sets(SetsConfig(sets=sets))


def test_sets_and_a_single_folder_contradict_each_other():
    with pytest.raises(ConfigError, match="both sets and data=data/x"):
        data_sets(SetsConfig(sets=["data/a"], data="data/x"))


def test_names_and_splits_come_from_the_entry_and_then_from_the_settings(tmp_path: Path):
    path = tmp_path / "sets.yaml"
    path.write_text("split: val\nsets:\n  - data/koniq-10k\n  - {name: mine, data: data/x, split: test}\n")
    found = data_sets(load_config(SetsConfig, path))
    assert [(item.name, item.data, item.split) for item in found] == [
        ("koniq-10k", "data/koniq-10k", "val"),
        ("mine", "data/x", "test"),
    ]


def test_the_screen_has_a_row_a_set_and_one_for_each_mean(folders: list[Path]):
    table = evaluate_sets(settings(folders), policy=ScriptedPolicy(shaky))
    rows = cells(table, "decided")
    assert [row[0] for row in rows] == ["one", "two", "macro mean", "mean by images"]
    assert rows[1][1:3] == ("14", "2")


def test_figures_over_a_set_are_those_of_correlations(folders: list[Path]):
    config = settings(folders)
    table = evaluate_sets(config, policy=ScriptedPolicy(shaky))
    items = read_predictions(Path(config.out) / "two" / "predictions.jsonl")
    ratings = [item.episode.verdict.answer.rating if item.episode.verdict else 3.0 for item in items]
    found = correlations(ratings, [item.sample.rating for item in items], n_boot=0)  # type: ignore[arg-type]
    row = table["looks"]["decided"]["sets"]["two"]["all"]
    assert [row[key][0] for key in ("plcc", "srcc", "krcc", "rmse")] == pytest.approx(
        [found.plcc.value, found.srcc.value, found.krcc.value, found.rmse.value]
    )
