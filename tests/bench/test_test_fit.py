import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from loupe.bench.fits import Map
from loupe.bench.test_fit import coverage as coverage_module
from loupe.bench.test_fit.config import TestFitConfig
from loupe.bench.test_fit.coverage import coverage
from loupe.bench.test_fit.inflation import CellResult, figures, measure
from loupe.bench.test_fit.picture import picture
from loupe.bench.test_fit.run import test_fit as run_study
from loupe.bench.test_fit.simulate import LINKS, Cell, simulate
from loupe.bench.test_fit.simulate import TestSet as Simulated
from loupe.bench.test_fit.table import coverage_table, gain_table, page
from loupe.cli.main import build_app
from loupe.core.errors import ConfigError
from loupe.core.files import read_json

DOCS = Path(__file__).parents[2] / "docs"
SMALL = {"sizes": [40, 80], "correlations": [0.9], "repetitions": 3, "n_boot": 20, "coverage_draws": 8}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("study")
    return run_study(TestFitConfig(out=str(out), **SMALL))


def small(cell: Cell, repetitions: int = 40) -> CellResult:
    return measure(cell, repetitions=repetitions, n_boot=100, seed=0)


@pytest.mark.parametrize("link", sorted(LINKS))
def test_a_simulated_test_set_is_as_good_as_it_says(link: str):
    scores, labels, fresh = simulate(Cell(100_000, 0.8, link), seed=1, repetition=0)
    assert (scores == np.round(scores, 2)).all()
    assert scores.min() >= 1.0
    assert scores.max() <= 5.0
    # The link undone, up to the rounding and the cut of 1 % of the scores; .005 is more than three standard errors.
    right = LINKS[link]((scores - 3) / 0.8)
    for opinions in (labels, fresh):
        assert np.corrcoef(right, opinions)[0, 1] == pytest.approx(0.8, abs=0.005)
        assert opinions.std() == pytest.approx(1.0, abs=0.01)
    # All that two opinions share is what the predictor sees.
    assert np.corrcoef(labels, fresh)[0, 1] == pytest.approx(0.64, abs=0.008)


def test_a_bent_link_takes_from_the_raw_figure_what_the_page_says():
    # The correlation of z and tanh(z) is .9646 for standard normal z.
    scores, labels, _ = simulate(Cell(100_000, 0.93, "tanh"), seed=2, repetition=0)
    assert np.corrcoef(scores, labels)[0, 1] == pytest.approx(0.93 * 0.9646, abs=0.005)


def test_a_test_set_hangs_on_its_cell_its_repetition_and_the_seed_alone():
    cell = Cell(50, 0.7, "linear")
    first = simulate(cell, seed=3, repetition=1).labels
    assert (simulate(cell, seed=3, repetition=1).labels == first).all()
    others = [(cell, 3, 2), (cell, 4, 1), (Cell(50, 0.85, "linear"), 3, 1), (Cell(50, 0.7, "tanh"), 3, 1)]
    for other, seed, repetition in others:
        assert abs(np.corrcoef(simulate(other, seed=seed, repetition=repetition).labels, first)[0, 1]) < 0.6


def test_gains_are_fitted_less_raw_on_the_labels_of_the_fit_and_on_fresh_ones():
    # Isotonic on 1, 3, 2, 4: the values 1, 2.5, 2.5, 4. Raw PLCC .8, fitted 4.5 / sqrt(4.5 * 5).
    found = figures(Simulated(np.array([1.0, 2, 3, 4]), np.array([1.0, 3, 2, 4]), np.array([1.0, 2, 3, 4])))
    assert set(found) == {"isotonic"}
    fitted = 4.5 / math.sqrt(4.5 * 5)
    assert found["isotonic"][0] == pytest.approx([0.8, fitted - 0.8, fitted - 1.0])


def test_isotonic_regression_inflates_where_there_is_nothing_to_undo_and_more_on_fewer_images():
    few, many = small(Cell(100, 0.85, "linear")).maps, small(Cell(800, 0.85, "linear"), repetitions=15).maps
    for statistic in ("plcc", "srcc"):
        assert few["isotonic"][statistic].inflation.low > 1.5 * many["isotonic"][statistic].inflation.high
        assert many["isotonic"][statistic].inflation.low > 0.0
        assert few["isotonic"][statistic].fresh_gain.high < 0.0
    assert few["logistic"]["plcc"].inflation.high < few["isotonic"]["plcc"].inflation.low
    assert few["logistic"]["srcc"].gain == pytest.approx((0, 0, 0), abs=1e-9)


def test_a_bent_link_gives_a_gain_that_fresh_labels_confirm():
    found = small(Cell(500, 0.93, "tanh"), repetitions=15).maps
    assert found["logistic"]["plcc"].fresh_gain.low > 0.02
    assert found["isotonic"]["plcc"].fresh_gain.low > 0.015
    assert found["isotonic"]["plcc"].gain.value == pytest.approx(0.037, abs=0.006)


def test_repetitions_without_a_map_are_counted_and_left_out():
    # Hardly any correlation: many of the test sets run against opinion.
    found = small(Cell(10, 0.05, "linear"))
    assert 5 < found.failed["isotonic"] < 35
    assert found.failed["logistic"] >= found.failed["isotonic"]
    assert math.isfinite(found.maps["isotonic"]["plcc"].gain.value)


def test_a_map_that_learns_nothing_has_one_interval_however_it_is_drawn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(coverage_module.MAPS, "isotonic", lambda x, y: Map(np.asarray(x), ""))
    found = coverage(Cell(60, 0.8, "linear"), "isotonic", repetitions=12, n_draws=60, seed=0)
    assert found.n == 12
    assert found.held == found.anew
    assert found.held_width == pytest.approx(found.anew_width, abs=1e-12)
    assert found.held.value > 0.6


def test_a_fit_on_each_draw_lies_above_the_fit_that_is_held():
    cell = Cell(100, 0.9, "linear")
    trials = [
        coverage_module._trial(
            simulate(cell, seed=5, repetition=n), coverage_module.MAPS["isotonic"], n_draws=60, seed=n
        )
        for n in range(10)
    ]
    lifts = [trial.anew.high + trial.anew.low - trial.held.high - trial.held.low for trial in trials if trial]
    assert len(lifts) == 10
    assert min(lifts) > 0.0


def test_the_study_writes_numbers_page_and_picture_that_agree(study: Path):
    data = read_json(study)
    assert len(data["cells"]) == 4
    assert [(row["map"], row["cell"]["link"], row["cell"]["n"]) for row in data["coverage"]] == [
        ("isotonic", "linear", 40),
        ("logistic", "tanh", 40),
    ]
    assert (study.parent / "test-fit.md").read_text(encoding="utf-8") == page(data, picture="test-fit.png")
    assert (study.parent / "test-fit.png").read_bytes().startswith(b"\x89PNG")
    first = gain_table(data, "plcc").rows[0]
    assert first[:3] == ("linear", ".90", "40")
    assert len(first) == 10
    assert len(gain_table(data, "srcc", short=True).rows[0]) == 8
    assert "%" in coverage_table(data).rows[0][4]


def test_the_same_settings_give_the_same_numbers(study: Path, tmp_path: Path):
    again = read_json(run_study(TestFitConfig(out=str(tmp_path / "again"), **SMALL)))
    before = read_json(study)
    assert again["cells"] == before["cells"]
    assert again["coverage"] == before["coverage"]


def test_a_study_without_a_single_map_still_makes_its_page_and_picture(study: Path):
    data = json.loads(study.read_text(encoding="utf-8"))
    for cell in data["cells"]:
        for found in cell["maps"]["logistic"].values():
            found.update({key: [None, None, None] for key in found})
    assert "logistic, linear link: inflation of PLCC –" in page(data, picture="x.png")
    assert picture(data).startswith(b"\x89PNG")


def test_the_page_of_the_documentation_is_what_its_numbers_say():
    data = read_json(DOCS / "test-fit.json")
    assert (DOCS / "test-fit.md").read_text(encoding="utf-8") == page(data, picture="test-fit.png")
    assert data["config"] | {"out": ""} == {**vars(TestFitConfig()), "out": ""}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"sizes": []}, "sizes: got"),
        ({"sizes": [500, 9]}, "10 images at least"),
        ({"correlations": [1.0]}, "above 0 and below 1"),
        ({"links": ["cubic"]}, "wanted one or more of linear, tanh"),
        ({"repetitions": 1}, "repetitions: got 1"),
        ({"n_boot": 0}, "n_boot: got 0"),
        ({"sizes": [500, 500]}, "wanted each once"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, object], said: str):
    with pytest.raises(ConfigError, match=said):
        run_study(TestFitConfig(**settings))


def test_the_command_prints_the_tables_and_says_where_they_are(tmp_path: Path):
    words = [f"{key}={json.dumps(value)}" for key, value in SMALL.items()]
    done = CliRunner().invoke(build_app("bench"), ["bench", "test-fit", *words, f"out={tmp_path / 'x'}"])
    assert done.exit_code == 0, done.output
    assert "raw PLCC" in done.output
    assert "map held" in done.output
    assert (tmp_path / "x" / "test-fit.md").is_file()


def test_the_command_refuses_a_file_for_a_folder_before_it_begins(tmp_path: Path):
    (tmp_path / "taken").write_text("x", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be written"):
        run_study(TestFitConfig(out=str(tmp_path / "taken")))
