import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from loupe.bench.rationale_page import pieces, write_rationale_page
from loupe.sft.rationales.build import build_rationales
from loupe.sft.rationales.config import RationalesConfig

EVIL = "<script>alert(1)</script>"


def test_the_page_shows_kept_and_dropped_and_escapes_what_a_model_wrote(
    run_of: Callable[..., RationalesConfig],
    serve: Callable[..., Any],
    server_module: Any,
    teacher_module: Any,
    tmp_path: Path,
    synthetic_folder: Path,
):
    def answer(body: dict[str, Any]) -> str:
        return teacher_module.teach(body, server=server_module).replace("Summary: ", f"Summary: {EVIL} ")

    manifest = build_rationales(run_of(tmp_path / "out", serve(answer)))
    assert manifest["counts"]["consistency"]["dropped_sentences"] > 0
    page = write_rationale_page(tmp_path / "out", data=synthetic_folder, count=20).read_text()
    assert EVIL not in page
    assert "&lt;script&gt;" in page
    shown = re.findall(r"<h3>(train-\S+)</h3>", page)
    failed = sum(bool(row) for row in manifest["reasons"].values())
    assert failed
    assert len(shown) > manifest["counts"]["kept"]
    for words in ('class="shown"', "data:image/", "decided the same without the picture", "colourfulness", "<del"):
        assert words in page


def test_the_same_seed_shows_the_same_and_pictures_that_are_gone_are_left_out(
    run_of: Callable[..., RationalesConfig], tmp_path: Path, synthetic_folder: Path
):
    build_rationales(run_of(tmp_path / "out"))
    first = write_rationale_page(tmp_path / "out", data=synthetic_folder, count=3).read_text()
    assert first == write_rationale_page(tmp_path / "out", data=synthetic_folder, count=3).read_text()
    assert first != write_rationale_page(tmp_path / "out", data=synthetic_folder, count=3, seed=1).read_text()
    (tmp_path / "empty").mkdir()
    assert "<h3>" not in write_rationale_page(tmp_path / "out", data=tmp_path / "empty").read_text()


def test_a_text_is_cut_where_sentences_were_taken_out():
    assert pieces("a b c", [("b", "why")]) == (("a ", ""), ("b", "why"), (" c", ""))
    assert pieces("a b", []) == (("a b", ""),)
    assert pieces("a b", [("z", "why")]) == (("a b", ""),)


def test_no_more_pictures_are_opened_than_shown(
    run_of: Callable[..., RationalesConfig], tmp_path: Path, synthetic_folder: Path
):
    import sys

    build_rationales(run_of(tmp_path / "out"))
    opened: list[str] = []
    watching = [True]

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if watching[0] and event == "open" and str(given[0]).endswith(".png"):
            opened.append(str(given[0]))

    sys.addaudithook(hook)
    write_rationale_page(tmp_path / "out", data=synthetic_folder, count=3)
    watching[0] = False
    assert len(opened) == 3
