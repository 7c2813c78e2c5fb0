"""Writes what an ablation leaves: table.md, table.csv, ablation.json, forest.svg and one self-contained page."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loupe.bench.ablation.config import AblateConfig
from loupe.bench.ablation.plots import by_rating, curves, forest
from loupe.bench.ablation.table import difference_table, figure_table, markdown, notes, raw_csv
from loupe.bench.pages import render_page
from loupe.bench.plots import svg, svg_uri
from loupe.core import numbers
from loupe.core.config import to_yaml
from loupe.core.files import read_json, write_bytes_atomic, write_json, write_text_atomic

NUMBERS, PAGE, MARKDOWN, CSV, FOREST = "ablation.json", "ablation.html", "table.md", "table.csv", "forest.svg"


def write_results(results: Mapping[str, Any], config: AblateConfig, out: Path) -> Path:
    """Write everything into the folder `out`; returns the path of ablation.json."""
    write_json(out / NUMBERS, results)
    # The tables and the page are made of what ablation.json holds, so they cannot differ.
    data = read_json(out / NUMBERS)
    write_text_atomic(out / MARKDOWN, markdown(data))
    write_text_atomic(out / CSV, raw_csv(data))
    compared = [row for row in data["rows"] if row["name"] != data["reference"]]
    picture = forest(compared, reference=data["reference"])
    write_bytes_atomic(out / FOREST, svg(picture))
    trained = [row["name"] for row in data["rows"] if row["seeds"]]
    page = render_page(
        "ablation.html.jinja",
        title=data["title"],
        figures=figure_table(data),
        differences=difference_table(data),
        notes=notes(data),
        forest=svg_uri(picture),
        curves=svg_uri(curves(data["curves"], rows=trained)) if any(data["curves"].values()) else None,
        errors=svg_uri(by_rating(data["errors"], data["trained_on"], rows=[row["name"] for row in data["rows"]]))
        if data["errors"]
        else None,
        failures=data["failures"],
        clock=numbers.seconds(data["seconds"]),
        reference=data["reference"],
        settings=to_yaml(config),
    )
    write_text_atomic(out / PAGE, page)
    return out / NUMBERS
