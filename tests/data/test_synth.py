import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import skimage.data
from PIL import Image

from loupe.core.errors import ConfigError, DataError
from loupe.core.files import inside, read_json, read_jsonl, sha256_file
from loupe.data import synth
from loupe.data.evidence import measure_views
from loupe.data.measure import MEASURE
from loupe.data.pristine import dead_leaves
from loupe.data.store import load_evidence, load_rationales, load_samples
from loupe.data.synth import SynthConfig, synthesise
from loupe.data.synth_plan import SPLITS

TINY = SynthConfig(train=6, val=2, test=2, versions=3, size=56, seed=3, workers=1)


def labels_and_images(folder: Path) -> dict[str, str]:
    """Hash of everything that a later stage reads, by path; what says how it was made stays out."""
    files = [path for path in folder.rglob("*") if path.suffix in (".png", ".jsonl") and path.name != "progress.jsonl"]
    return {path.relative_to(folder).as_posix(): sha256_file(path) for path in files}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return synthesise(replace(TINY, out=str(tmp_path_factory.mktemp("synth") / "done")))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for name in ("astronaut", "coffee", "chelsea", "rocket"):
        Image.fromarray(getattr(skimage.data, name)()).save(folder / f"{name}.jpg", quality=95)
    return folder


def test_one_process_and_two_make_the_same_files(done: Path, tmp_path: Path):
    other = synthesise(replace(TINY, out=str(tmp_path / "two"), workers=2))
    assert labels_and_images(other) == labels_and_images(done)
    assert read_json(other / "manifest.json")["splits"] == read_json(done / "manifest.json")["splits"]


def test_every_label_has_its_picture_and_every_picture_its_label(done: Path):
    samples = [sample for split in SPLITS for sample in load_samples(done, split)]
    assert len({sample.id for sample in samples}) == len(samples) == 30
    assert {sample.image for sample in samples} == {f"images/{path.name}" for path in (done / "images").iterdir()}
    for sample in samples:
        with Image.open(inside(done, sample.image)) as image:
            assert (image.size, image.mode) == ((56, 56), "RGB")


def test_a_rating_is_the_measured_one(done: Path):
    rng = np.random.default_rng(np.random.SeedSequence([3, 2, 1]))
    pristine = dead_leaves(int(rng.integers(2**62)), size=56)
    evidence = load_evidence(done, "test")[3:6]
    for sample, item in zip(load_samples(done, "test")[3:6], evidence, strict=True):
        picture = cv2.cvtColor(cv2.imread(str(done / sample.image)), cv2.COLOR_BGR2RGB)
        assert measure_views(sample.id, pristine, picture) == item
        assert (sample.rating, sample.mos, sample.hard) == (item.rating, item.rating, item.hard)


def test_no_pristine_image_is_in_two_splits(done: Path):
    refs = [{sample.ref_id for sample in load_samples(done, split)} for split in SPLITS]
    assert [len(names) for names in refs] == [6, 2, 2]
    assert len(set().union(*refs)) == 10


def test_evidence_and_rationales_go_with_the_samples_row_by_row(done: Path):
    for split in SPLITS:
        ids = [sample.id for sample in load_samples(done, split)]
        assert [item.id for item in load_evidence(done, split)] == ids
        if split != "test":
            assert [item.sample_id for item in load_rationales(done, split)] == ids
    assert not (done / "rationales" / "test.jsonl").exists()


def test_the_manifest_adds_up(done: Path):
    manifest = read_json(done / "manifest.json")
    assert manifest["measure"] == MEASURE
    assert SynthConfig(**manifest["config"]).versions == 3
    for split, images in zip(SPLITS, (18, 6, 6), strict=True):
        counts, samples = manifest["splits"][split], load_samples(done, split)
        assert counts["images"] == len(samples) == images
        assert counts["sha256"] == sha256_file(done / f"{split}.jsonl")
        for histogram in ("distortion_class", "severity"):
            assert sum(counts[histogram].values()) == images
        assert sum(counts["rating_histogram"]) == images
        assert counts["hard"] == sum(bool(sample.hard) for sample in samples)
        assert counts["local"] == sum(bool(sample.degradation and sample.degradation.is_local) for sample in samples)
        assert counts["pristine"] * 3 == images


def test_progress_counts_up_to_the_total(tmp_path: Path):
    seen: list[tuple[int, int]] = []
    config = replace(TINY, out=str(tmp_path / "x"), train=2, val=0, test=1, versions=1)
    synthesise(config, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    synthesise(config, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) == 3, "a finished folder was made again"


def test_rationales_may_be_left_out(tmp_path: Path):
    out = synthesise(replace(TINY, out=str(tmp_path / "x"), train=1, val=0, test=0, versions=1, rationales=False))
    assert not (out / "rationales").exists()


def test_photographs_are_windows_of_one_split_each(photos: Path, tmp_path: Path):
    out = synthesise(replace(TINY, out=str(tmp_path / "x"), photos=str(photos), train=4, val=1, test=2, versions=1))
    refs = [{sample.ref_id for sample in load_samples(out, split)} for split in SPLITS]
    assert sum(len(names) for names in refs) == len(set().union(*refs))
    assert set().union(*refs) <= {path.name for path in photos.iterdir()}


def test_small_photographs_are_named_before_anything_is_made(photos: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"rocket\.jpg \(640 × 427\)"):
        synthesise(replace(TINY, out=str(tmp_path / "x"), photos=str(photos), size=500, train=4, val=2, test=2))
    assert not (tmp_path / "x" / "images").exists()


def test_a_run_with_other_settings_is_refused_and_the_key_named(done: Path):
    before = labels_and_images(done)
    with pytest.raises(ConfigError, match=r"\(versions, seed differ\)"):
        synthesise(replace(TINY, out=str(done), versions=4, seed=9))
    assert labels_and_images(done) == before


def test_a_run_with_other_photographs_is_refused(photos: Path, tmp_path: Path):
    mine = tmp_path / "photos"
    shutil.copytree(photos, mine)
    config = replace(TINY, out=str(tmp_path / "x"), photos=str(mine), train=1, val=1, test=1, versions=1)
    synthesise(config)
    (mine / "rocket.jpg").unlink()
    with pytest.raises(ConfigError, match="photo_list_hash differ"):
        synthesise(config)


def test_a_folder_with_data_of_another_kind_is_left_alone(tmp_path: Path):
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(ConfigError, match="not made here"):
        synthesise(replace(TINY, out=str(tmp_path)))
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="is a file"):
        synthesise(replace(TINY, out=str(tmp_path / "file")))


def test_a_worker_that_dies_is_an_error_and_no_endless_wait(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(synth, "start_worker", functools.partial(os._exit, 1))
    with pytest.raises(ConfigError, match="workers=2 processes died"):
        synthesise(replace(TINY, out=str(tmp_path / "x"), workers=2))


@dataclass(frozen=True)
class Killed:
    config: SynthConfig
    done: int
    workers: list[int]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    """A folder whose run with two workers was ended by `kill -9` in the middle."""
    out = tmp_path_factory.mktemp("killed") / "data"
    config = replace(TINY, out=str(out), train=80, workers=2)
    code = f"from loupe.data.synth import *; synthesise(SynthConfig(**{asdict(config)!r}))"
    process = subprocess.Popen([sys.executable, "-c", code])
    progress, deadline = out / "progress.jsonl", time.monotonic() + 60
    while not (progress.exists() and len(read_jsonl(progress)) >= 4):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workers = children(process.pid)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    return Killed(config, len(read_jsonl(progress)), workers)


def children(pid: int) -> list[int]:
    """Children of a process, where the system tells (Linux)."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(word) for word in path.read_text().split()] if path.exists() else []


def alive(pid: int) -> bool:
    """False for a process that is gone or waits to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_end_with_their_killed_parent(killed: Killed):
    deadline = time.monotonic() + 20
    while any(map(alive, killed.workers)):
        assert time.monotonic() < deadline, "orphans go on"
        time.sleep(0.05)


def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(killed: Killed, tmp_path: Path):
    out = Path(killed.config.out)
    assert 4 <= killed.done < 84
    assert not (out / "train.jsonl").exists()
    counted: list[int] = []
    # A kill may also tear the line that was being written.
    with (out / "progress.jsonl").open("ab") as stream:
        stream.write(b'{"split": "train", "num')
    synthesise(replace(killed.config, workers=1), progress=lambda done, total: counted.append(done))
    assert counted == list(range(killed.done + 1, 85))
    whole = synthesise(replace(killed.config, out=str(tmp_path / "whole"), workers=1))
    assert labels_and_images(out) == labels_and_images(whole)
    assert json.loads((out / "settings.json").read_text()) == json.loads((whole / "settings.json").read_text())


def test_a_synthesis_that_was_refused_leaves_its_folder_free(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "bad.jpg").write_text("no picture")
    wanted = {"out": str(tmp_path / "data"), "train": 1, "val": 0, "test": 0, "versions": 1, "workers": 1}
    with pytest.raises(DataError, match="cannot be used"):
        synthesise(SynthConfig(**wanted, photos=str(tmp_path / "photos")))
    assert (synthesise(SynthConfig(**wanted)) / "manifest.json").is_file()
