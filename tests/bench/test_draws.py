import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest

from loupe.bench.draws import FILE, PANELS, Draws, histogram_figure, histograms, read_draws
from loupe.core.errors import DataError

EDGES, DATA = [1.0, 3.0, 5.0], {"koniq": [2, 8], "spaq": [5, 5]}


def rows_of(chunks: int) -> list[dict[str, Any]]:
    """Chunk n draws n low and one high rating of koniq, and of spaq two high ones in every second chunk."""
    rows: list[dict[str, Any]] = []
    for chunk in range(chunks):
        counts = {"koniq": [chunk, 1]} | ({"spaq": [0, 2]} if chunk % 2 else {})
        rows.append({"step": 2 * chunk + 1, "chunk": chunk, "counts": counts})
    rows[0] |= {"edges": EDGES, "data": DATA}
    return rows


def run_of(folder: Path, rows: list[dict[str, Any]]) -> Path:
    (folder / FILE).write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def draws_of(folder: Path, rows: list[dict[str, Any]]) -> Draws:
    found = read_draws(run_of(folder, rows))
    assert found is not None
    return found


def test_a_training_is_cut_into_thirds_whose_draws_are_summed(tmp_path: Path) -> None:
    assert draws_of(tmp_path, rows_of(6)) == {
        "edges": EDGES,
        "data": DATA,
        "parts": [
            {"first": 1, "last": 3, "counts": {"koniq": [1, 2], "spaq": [0, 2]}},
            {"first": 5, "last": 7, "counts": {"koniq": [5, 2], "spaq": [0, 2]}},
            {"first": 9, "last": 11, "counts": {"koniq": [9, 2], "spaq": [0, 2]}},
        ],
    }


@pytest.mark.parametrize("chunks", [1, 2, 3, 4, 5, 7, 100])
def test_every_chunk_is_in_one_part_and_no_part_is_empty(tmp_path: Path, chunks: int) -> None:
    parts = draws_of(tmp_path, rows_of(chunks))["parts"]
    assert len(parts) == min(3, chunks)
    assert sum(part["counts"]["koniq"][1] for part in parts) == chunks
    sizes = [part["counts"]["koniq"][1] for part in parts]
    assert max(sizes) - min(sizes) <= 1


def test_a_chunk_that_was_written_twice_counts_once_as_it_was_written_last(tmp_path: Path) -> None:
    again = {"step": 3, "chunk": 1, "counts": {"koniq": [7, 7]}}
    (part, latest, _) = draws_of(tmp_path, [*rows_of(2), again, rows_of(3)[2]])["parts"]
    assert part["counts"] == {"koniq": [0, 1]}
    assert latest["counts"] == {"koniq": [7, 7]}


def test_a_run_without_draws_has_nothing_to_show(tmp_path: Path) -> None:
    assert read_draws(tmp_path) is None
    assert read_draws(run_of(tmp_path, [])) is None


@pytest.mark.parametrize(
    "change",
    [
        {"counts": {"koniq": [1, 2, 3]}},
        {"counts": {"koniq": [1, "2"]}},
        {"counts": {"koniq": [1, -2]}},
        {"counts": [1, 2]},
        {"counts": None},
        {"step": None},
        {"edges": None},
        {"edges": ["low", "high"]},
        {"data": {"koniq": [1]}},
    ],
)
def test_rows_of_another_form_are_refused_by_the_name_of_their_file(tmp_path: Path, change: dict[str, Any]) -> None:
    rows = rows_of(2)
    rows[0] |= change
    with pytest.raises(DataError, match=rf"{re.escape(FILE)} is malformed"):
        read_draws(run_of(tmp_path, rows))


def test_a_file_without_edges_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="one with edges and data"):
        read_draws(run_of(tmp_path, rows_of(3)[1:]))


def test_the_figure_has_a_panel_a_data_set_and_a_line_a_part(tmp_path: Path) -> None:
    figure = histograms(draws_of(tmp_path, rows_of(6)))
    titles = [axis.get_title(loc="left") for axis in figure.axes]
    assert titles == ["koniq\n21 draws of 10 images", "spaq\n6 draws of 10 images"]
    filled, *lines = [step.get_data().values for step in figure.axes[0].patches]  # type: ignore[attr-defined]
    assert filled.tolist() == pytest.approx([0.2, 0.8])
    assert [line[0] for line in lines] == pytest.approx([1 / 3, 5 / 7, 9 / 11])
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["training data", "steps 1–3", "steps 5–7", "steps 9–11"]


def test_the_figure_is_one_picture_and_the_same_numbers_give_the_same_bytes(tmp_path: Path) -> None:
    draws = draws_of(tmp_path, rows_of(1))
    uri = histogram_figure(draws)
    assert uri == histogram_figure(json.loads(json.dumps(draws)))
    assert base64.b64decode(uri.removeprefix("data:image/svg+xml;base64,")).startswith(b"<?xml")


def test_hostile_names_and_data_sets_that_were_never_drawn_make_a_figure(tmp_path: Path) -> None:
    rows = rows_of(3)
    rows[0]["data"] = {name: [1, 1] for name in ("$x^{$", "_hidden", "never", "n" * 99, *"abcdefgh")}
    for row in rows:
        row["counts"] = {"$x^{$": [0, 1]}
    draws = draws_of(tmp_path, rows)
    panels = [axis for axis in histograms(draws).axes if axis.get_visible()]
    assert len(panels) == PANELS
    assert panels[0].get_title(loc="left").startswith("$x^{$\n3 draws")
    assert histogram_figure(draws)
