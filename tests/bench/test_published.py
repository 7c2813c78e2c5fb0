import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from loupe.bench.published.cells import own_cells, table_cells
from loupe.bench.published.markdown import page
from loupe.bench.published.names import ALIASES, data_set
from loupe.bench.published.own import PublishedConfig, own_runs
from loupe.bench.published.tables import ORDER, PublishedRow, PublishedTable, published_tables
from loupe.bench.published.write import homeless, published_page, write_published
from loupe.core.errors import ConfigError, MissingFileError

DOCS = Path(__file__).parents[2] / "docs"
EVIL = "<script>x</script>|y"


def figures(plcc: float, srcc: float, n: int = 500) -> dict[str, Any]:
    return {"n": n, "plcc": [plcc, plcc - 0.01, plcc + 0.01], "srcc": [srcc, srcc - 0.02, srcc + 0.02]}


def sets_run(folder: Path, **sets: tuple[float, float]) -> str:
    rows = {name.replace("_", "-"): {"n": 500, "unusable": 3, "all": figures(*values)} for name, values in sets.items()}
    folder.mkdir()
    protocol = {"model": "mine", "fingerprint": "abc", "decoding": "greedy", "bootstrap": "1000 draws", "seed": 0}
    table = {"looks": {"decided": {"sets": rows}}, "sets": dict.fromkeys(rows), "protocol": protocol}
    (folder / "table.json").write_text(json.dumps(table))
    return str(folder)


def single_run(folder: Path, dataset: str, expected: Any) -> str:
    folder.mkdir()
    summary = {"looks": {"never": {"all": {"n": 9, "unusable": 1, "expected": expected}}}, "protocol": {"model": "m"}}
    (folder / "summary.json").write_text(json.dumps(summary))
    sample = {"id": "a", "image": "a.png", "dataset": dataset, "split": "test", "rating": 3.0, "mos": 3.0}
    episode = {"sample_id": "a", "turns": [], "stop_reason": "final"}
    row = {"sample": sample, "look": "never", "episode": episode}
    (folder / "predictions.jsonl").write_text(json.dumps(row) + "\n")
    return str(folder)


def row_of(name: str, method: str) -> PublishedRow:
    return next(row for row in published_tables()[name].rows if row.method == method)


def test_the_page_in_the_docs_is_what_the_data_say():
    assert (DOCS / "published.md").read_text() == page(published_tables())


def test_every_data_file_is_shown():
    folder = Path(__file__).parents[2] / "packages/bench/src/loupe/bench/published/tables"
    assert sorted(path.stem for path in folder.glob("*.yaml")) == sorted(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_every_table_has_a_source_and_a_whole_protocol(name: str):
    table = published_tables()[name]
    told = (table.title, table.source, table.table, table.trained_on, table.data, table.fit)
    assert all((*told, table.sampling, table.bad_outputs, table.rows, table.columns))
    assert all(item in ALIASES for item in table.data_sets)
    assert len({row.method for row in table.rows}) == len(table.rows)


@pytest.mark.parametrize("name", [name for name in ORDER if published_tables()[name].kind == "correlations"])
def test_correlations_are_correlations(name: str):
    for row in published_tables()[name].rows:
        assert all(value is not None and 0 < value < 1 for values in row.values.values() for value in values)


def test_all_printed_averages_recompute_but_for_the_two_that_are_known():
    wrong = {
        (name, row.method, statistic): round(mean, 4)
        for name, table in published_tables().items()
        for row in table.rows
        for statistic, mean in table.misprinted(row).items()
    }
    assert wrong == {
        ("q-insight-table-1", "Q-Align", "plcc"): 0.7429,
        ("q-insight-tables-2-4", "Q-Insight, degradation task only", "class"): 0.8665,
    }


def test_the_misprint_and_the_other_mean_are_shown_beside_what_was_printed():
    text = page(published_tables())
    assert ".705/.752 | .743/.752 (PLCC differs) |" in text
    assert ".8960/.3492 | .8665/.3492 (class accuracy differs) |" in text


def test_class_sizes_reproduce_the_other_mean_of_the_degradation_tables():
    sizes = [226, 205, 222, 226, 121]
    for method, micro in (
        ("Q-Insight, with the score task", 0.944),
        ("Q-Insight, degradation task only", 0.896),
    ):
        shares = row_of("q-insight-tables-2-4", method).values["class"]
        right = [round(share * size) for share, size in zip(shares, sizes, strict=True) if share is not None]
        assert sum(right) / 1000 == pytest.approx(micro)
        # Each printed share is a whole number of images of its class.
        assert all(abs(r / n - s) < 1e-4 for r, n, s in zip(right, sizes, shares, strict=True) if s is not None)


@pytest.mark.parametrize(
    ("table", "method", "statistic", "column", "value"),
    [
        ("visualquality-r1-table-2", "VisualQuality-R1", "srcc", 2, 0.830),
        ("visualquality-r1-table-2", "VisualQuality-R1 †", "plcc", 3, 0.917),
        ("visualquality-r1-table-2", "NIQE", "plcc", 0, 0.527),
        ("visualquality-r1-table-3", "VisualQuality-R1, K = 5", "plcc", 7, 0.840),
        ("visualquality-r1-table-4", "Fixed variance of one (Thurstone case V)", "srcc", 6, 0.606),
        ("visualquality-r1-table-5", "Q-Insight", "value", 1, 2.72),
        ("q-insight-table-1", "Q-Insight, with the degradation task", "plcc", 6, 0.870),
        ("q-insight-table-1", "Q-Insight, score task only", "srcc", 6, 0.640),
        ("q-insight-tables-2-4", "Q-Insight, with the score task", "level", 2, 0.5541),
        ("q-insight-table-6", "Q-Insight, trained to compare", "value", 3, 0.7627),
        ("zoom-iqa-table-1", "Zoom-IQA", "srcc", 6, 0.754),
        ("zoom-iqa-table-1", "VisualQuality-R1 (quoted by Zoom-IQA)", "plcc", 5, 0.817),
    ],
)
def test_numbers_stand_where_the_papers_have_them(table: str, method: str, statistic: str, column: int, value: float):
    assert row_of(table, method).values[statistic][column] == value


def test_a_mean_that_rounding_explains_is_no_misprint():
    table = PublishedTable(columns=["a", "b"], rows=[])
    half = PublishedRow(values={"plcc": [0.5, 0.501]}, average={"plcc": 0.501})
    assert table.misprinted(half) == {}
    far = PublishedRow(values={"plcc": [0.5, 0.501]}, average={"plcc": 0.502})
    assert table.misprinted(far) == {"plcc": pytest.approx(0.5005)}


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("KonIQ-10k", "koniq-10k"),
        ("koniq", "koniq-10k"),
        ("test_koniq_2k", "koniq-10k"),
        ("koniq-10k-test", "koniq-10k"),
        ("CLIVE", "livec"),
        ("LIVE-W", "livec"),
        ("live in the wild", "livec"),
        ("LIVE", "live"),
        ("AGIQA-3K", "agiqa-3k"),
        ("tid2013", "tid2013"),
        ("csiq_866", "csiq"),
        ("SR", None),
        ("pocket", None),
        ("my-koniq-crops", None),
        ("spaq-blurred", None),
        ("", None),
        ("test", None),
    ],
)
def test_a_data_set_is_known_by_its_names_and_not_by_what_looks_alike(name: str, known: str | None):
    assert data_set(name) == known


def test_every_column_of_a_table_of_data_sets_is_found_by_the_name_of_its_recipe():
    for table in published_tables().values():
        assert [data_set(name) for name in table.data_sets] == table.data_sets


def test_an_own_run_stands_in_the_tables_of_its_data_sets_and_is_marked(tmp_path: Path):
    runs = own_runs({"agent": sets_run(tmp_path / "r", koniq_10k=(0.812, 0.795), csiq=(0.7, 0.6))})
    tables = published_tables()
    cells = table_cells(tables["q-insight-table-1"], runs)
    assert cells.rows[-1] == ("own: agent", ".812/.795", "–", "–", "–", "–", "–", ".700/.600", "–", "–")
    assert cells.own == (*[False] * 14, True)
    fast = table_cells(tables["q-insight-table-1"], [replace(runs[0], look="fast")])
    assert fast.rows[-1][0] == "own: agent (fast, no reasoning)"
    assert own_cells(runs, tables["q-insight-table-1"])[0] == (
        "own: agent",
        "KonIQ",
        "500",
        "3",
        "zoom as decided",
        ".812 [.802, .822]",
        ".795 [.775, .815]",
    )
    assert table_cells(tables["visualquality-r1-table-2"], runs).own[-1]
    for name in ("visualquality-r1-table-3", "visualquality-r1-table-5", "q-insight-tables-2-4"):
        assert not any(table_cells(tables[name], runs).own)


def test_an_own_mean_is_shown_only_where_every_column_has_a_number(tmp_path: Path):
    names = ("koniq_10k", "spaq", "kadid_10k", "pipal", "livec", "agiqa_3k", "csiq")
    whole = sets_run(tmp_path / "whole", **dict.fromkeys(names, (0.8, 0.7)))
    part = sets_run(tmp_path / "part", **dict.fromkeys(names[1:], (0.8, 0.7)))
    cells = table_cells(published_tables()["q-insight-table-1"], own_runs({"whole": whole, "part": part}))
    assert cells.rows[-2][-2:] == ("–", ".800/.700")
    assert cells.rows[-1][-2:] == ("–", "–")


def test_own_numbers_change_no_published_one(tmp_path: Path):
    run = sets_run(tmp_path / "r", koniq_10k=(0.1, 0.1))
    with_own = published_page(PublishedConfig({"x": run}))
    lines = with_own.splitlines()
    assert all(line in lines for line in page(published_tables()).splitlines())


def test_the_protocol_of_an_own_run_is_printed(tmp_path: Path):
    text = published_page(PublishedConfig({"agent": sets_run(tmp_path / "r", spaq=(0.5, 0.4), pocket=(0.9, 0.9))}))
    tail = text[text.index("## Own runs") :]
    assert "- model: mine" in tail
    assert "- decoding: greedy" in tail
    assert "- in no table: pocket" in tail


def test_a_single_evaluation_goes_by_the_data_set_of_its_samples(tmp_path: Path):
    run = single_run(tmp_path / "e", "KonIQ-10k", {"all": figures(0.6, 0.5, n=9)})
    found = own_runs({"a": run})[0]
    assert (found.look, found.sets[0].known, found.sets[0].n, found.sets[0].unusable) == ("never", "koniq-10k", 9, 1)


def test_runs_with_sets_that_no_table_has_are_named(tmp_path: Path):
    strange, known = sets_run(tmp_path / "a", pocket=(0.9, 0.9)), sets_run(tmp_path / "b", csiq=(0.9, 0.9))
    assert homeless(PublishedConfig({"a": strange, "b": known})) == [("a", ["pocket"])]


def test_runs_that_have_no_place_are_refused_in_words(tmp_path: Path):
    with pytest.raises(MissingFileError, match=r"holds no summary.json and no table.json"):
        own_runs({"a": str(tmp_path)})
    with pytest.raises(ConfigError, match="has no ratings"):
        own_runs({"a": single_run(tmp_path / "e", "koniq", None)})
    twice = sets_run(tmp_path / "t", koniq=(0.5, 0.5), koniq_10k=(0.6, 0.6))
    with pytest.raises(ConfigError, match="two sets that are koniq-10k"):
        own_runs({"a": twice})


def test_names_are_text_in_markdown_and_on_the_page(tmp_path: Path):
    run = sets_run(tmp_path / "r", spaq=(0.5, 0.4))
    text = published_page(PublishedConfig({EVIL: run}))
    assert EVIL not in text
    assert r"own: &lt;script>x&lt;/script>\|y" in text
    html = published_page(PublishedConfig({EVIL: run}), kind=".html")
    assert "<script" not in html
    assert not re.search(r"(src|href)=", html)


def test_the_page_is_written_as_its_name_says(tmp_path: Path):
    write_published(PublishedConfig(), tmp_path / "new" / "p.md")
    write_published(PublishedConfig(), tmp_path / "p.html")
    assert (tmp_path / "new" / "p.md").read_text().startswith("# Published results")
    assert (tmp_path / "p.html").read_text().startswith("<!DOCTYPE html>")
    with pytest.raises(ConfigError, match=r"ends in .md or .html"):
        write_published(PublishedConfig(), tmp_path / "p.txt")
