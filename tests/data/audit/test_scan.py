"""The cache of an audit: nothing is looked at twice, nothing stale is believed, and a stop loses little."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from loupe.core.errors import DataError, MissingFileError
from loupe.core.files import read_jsonl, write_jsonl
from loupe.core.records import Sample
from loupe.data.audit import scan as scanning
from loupe.data.audit.cache import Cache
from loupe.data.audit.facts import Facts, Task, look_at_all
from loupe.data.audit.folder import Seen, rows_of
from loupe.data.audit.scan import scan

Picture = Callable[..., Image.Image]


@pytest.fixture
def folder(tmp_path: Path, picture: Picture) -> Path:
    """Forty images with one reference."""
    data = tmp_path / "data"
    data.mkdir()
    for number in range(40):
        picture(number).save(data / f"{number}.png")
    picture(99).save(data / "ref.png")
    rows = [Sample(str(n), f"{n}.png", "made", "test", 3.0, 3.0, reference="ref.png") for n in range(40)]
    write_jsonl(data / "test.jsonl", (row.to_json() for row in rows))
    return data


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were looked at, in order."""
    seen: list[str] = []

    def record(tasks: list[Task]) -> list[Facts]:
        seen.extend(Path(task.image.path).name for task in tasks)
        return look_at_all(tasks)

    monkeypatch.setattr(scanning, "look_at_all", record)
    return seen


def run(data: Path, *, workers: int = 1, max_pixels: int = 10**6) -> tuple[Seen, list[tuple[int, int]]]:
    steps: list[tuple[int, int]] = []
    samples, cache = rows_of(data), Cache(data / "cache.jsonl", max_pixels=max_pixels)
    seen = scan(data, samples, cache=cache, workers=workers, progress=lambda done, total: steps.append((done, total)))
    return seen, steps


def test_a_second_audit_looks_at_nothing_and_sees_the_same(folder: Path, looked: list[str]):
    first, steps = run(folder)
    assert len(looked) == len(set(looked)) == 41
    assert steps[0] == (0, 41) and steps[-1] == (41, 41)
    looked.clear()
    second, steps = run(folder)
    assert (looked, steps, second) == ([], [(41, 41)], first)


def test_processes_see_what_one_process_sees(folder: Path, tmp_path: Path):
    first, _ = run(folder)
    (folder / "cache.jsonl").unlink()
    assert run(folder, workers=2)[0] == first


def test_a_changed_file_is_looked_at_again_and_its_old_row_goes(folder: Path, looked: list[str], picture: Picture):
    run(folder)
    looked.clear()
    picture(7, size=(70, 90)).save(folder / "3.png")
    seen, _ = run(folder)
    assert looked == ["3.png"]
    assert seen.facts["3.png"].width == 70
    held = [facts["image"]["path"] for row in read_jsonl(folder / "cache.jsonl") for facts in row["images"]]
    assert len(held) == 41


def test_a_changed_reference_is_compared_with_all_its_images_again(folder: Path, looked: list[str], picture: Picture):
    run(folder)
    looked.clear()
    picture(98).save(folder / "ref.png")
    run(folder)
    assert len(looked) == 41


def test_a_file_of_the_same_size_and_another_time_is_not_believed(folder: Path, looked: list[str]):
    run(folder)
    looked.clear()
    os.utime(folder / "3.png", ns=(1, 1))
    run(folder)
    assert looked == ["3.png"]


def test_a_file_that_gets_a_neighbour_of_its_size_is_hashed_after_all(folder: Path, looked: list[str]):
    seen, _ = run(folder)
    alone = next(name for name, facts in seen.facts.items() if facts.sha256 is None)
    (folder / "copy.png").write_bytes((folder / alone).read_bytes())
    rows = [*read_jsonl(folder / "test.jsonl"), Sample("copy", "copy.png", "made", "test", 3.0, 3.0).to_json()]
    write_jsonl(folder / "test.jsonl", rows)
    looked.clear()
    again, _ = run(folder)
    assert sorted(looked) == sorted([alone, "copy.png"])
    assert again.facts[alone].sha256 == again.facts["copy.png"].sha256 is not None


def test_an_interrupted_audit_goes_on_where_it_stopped(
    folder: Path, looked: list[str], monkeypatch: pytest.MonkeyPatch
):
    def stop(tasks: list[Task]) -> list[Facts]:
        if looked:
            raise KeyboardInterrupt
        looked.extend(Path(task.image.path).name for task in tasks)
        return look_at_all(tasks)

    with monkeypatch.context() as patched:
        patched.setattr(scanning, "look_at_all", stop)
        with pytest.raises(KeyboardInterrupt):
            run(folder)
    done = set(looked)
    assert len(done) == 16
    looked.clear()
    run(folder)
    assert len(looked) == 25 and not done & set(looked)


def test_rows_of_another_form_or_limit_are_passed_over(folder: Path, looked: list[str]):
    run(folder)
    held = read_jsonl(folder / "cache.jsonl")
    broken = [{"made": held[0]["made"], "images": [{"colour": 1}]}, {"made": held[0]["made"], "images": None}, {"x": 1}]
    write_jsonl(folder / "cache.jsonl", broken)
    looked.clear()
    run(folder)
    assert len(looked) == 41
    looked.clear()
    run(folder, max_pixels=10**5)
    assert len(looked) == 41


def test_a_problem_is_looked_at_again(folder: Path, looked: list[str]):
    (folder / "3.png").write_bytes(b"broken")
    seen, _ = run(folder)
    assert seen.facts["3.png"].problem
    looked.clear()
    run(folder)
    assert looked == ["3.png"]


def test_a_cache_that_is_no_cache_says_that_it_may_go(folder: Path):
    (folder / "cache.jsonl").write_text("{oops\n")
    with pytest.raises(DataError, match="cache of an audit may be removed"):
        run(folder)


def test_what_is_no_data_folder_is_refused(tmp_path: Path):
    with pytest.raises(MissingFileError, match="no folder"):
        run(tmp_path / "nowhere")
    with pytest.raises(MissingFileError, match=r"none of train\.jsonl"):
        run(tmp_path)
    (tmp_path / "train.jsonl").touch()
    with pytest.raises(DataError, match="has no rows"):
        run(tmp_path)
    write_jsonl(tmp_path / "train.jsonl", [Sample("a", "a.png", "made", "test", 3.0, 3.0).to_json()])
    with pytest.raises(DataError, match="says split 'test'"):
        run(tmp_path)
