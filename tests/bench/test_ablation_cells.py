"""One cell at a time: how it ends, what it leaves for the next attempt, and what its run folders say as arrays."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from loupe.bench.ablation.cell_run import LOCK, CellRun
from loupe.bench.ablation.config import AblateConfig, RowConfig
from loupe.bench.ablation.figures import METRICS, drawn, figure
from loupe.bench.ablation.judged import judged
from loupe.bench.ablation.plan import Cell, Stage, plan, slug
from loupe.bench.ablation.process import environment, take_lock
from loupe.bench.ablation.runner import run_cells
from loupe.bench.ablation.state import CellState, read_state, unfinished
from loupe.bench.correlate import correlations
from loupe.bench.predictions import Prediction
from loupe.core.answer import answer_of, parse
from loupe.core.records import WHOLE, Episode, Sample, StopReason, Turn, severity_word

Samples = Callable[[int], list[Sample]]
PROGRAM = [sys.executable, "-c"]
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has gone")


def cell(folder: Path, *codes: str) -> Cell:
    """A cell whose stages are lines of Python."""
    return Cell("row", 0, folder, tuple(Stage((code,), ()) for code in codes), {})


def ended(made: Cell, *, cap: float = 30.0) -> CellState:
    states: list[CellState] = []
    run_cells([made], program=PROGRAM, jobs=1, cap=cap, ended=lambda _, state: states.append(state))
    return states[0]


def test_stages_run_in_order_and_a_failed_one_keeps_the_next_from_running(tmp_path: Path) -> None:
    made = cell(tmp_path / "cell", f"open({str(tmp_path / 'one')!r}, 'w')", "exit('no')", "open('never', 'w')")
    assert ended(made).status == "failed"
    assert (tmp_path / "one").exists()
    assert not Path("never").exists()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("print('fine'); exit('loupe: error: got this; wanted that')", "got this; wanted that"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("exit(3)", "exit code 3"),
        ("import os; os.kill(os.getpid(), 9)", "SIGKILL; the machine may have run out of memory"),
        ("import os; os.kill(os.getpid(), 11)", "SIGSEGV"),
    ],
)
def test_the_reason_of_a_failure_is_the_last_word_of_the_command(code: str, reason: str, tmp_path: Path) -> None:
    made = cell(tmp_path / "cell", code)
    state = ended(made)
    assert state.status == "failed"
    assert reason in (state.reason or "")
    assert read_state(made) == state


def test_an_interrupt_ends_the_command_and_leaves_the_cell_to_be_run_again(tmp_path: Path) -> None:
    made = cell(
        tmp_path / "cell",
        f"import os, time; open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()) + '.'); time.sleep(60)",
    )

    def interrupt(done: int, total: int, names: str) -> None:
        if (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("."):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_cells([made], program=PROGRAM, jobs=1, cap=30.0, progress=interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "pid").read_text().rstrip(".")), 0)
    assert unfinished([made], retry_failed=False) == [made]
    lock = take_lock(made.folder / LOCK)
    assert lock is not None
    os.close(lock)


@linux
def test_what_a_command_started_ends_with_it_at_the_cap(tmp_path: Path) -> None:
    code = f"""
import subprocess, sys, time
made = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
open({str(tmp_path / "pid")!r}, "w").write(str(made.pid))
time.sleep(60)
"""
    assert "max_minutes (2.00 s)" in (ended(cell(tmp_path / "cell", code), cap=2.0).reason or "")
    deadline = time.monotonic() + 10.0
    while _is_alive(int((tmp_path / "pid").read_text())):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_cell_that_an_orphan_works_in_waits_until_it_is_free(tmp_path: Path) -> None:
    made = cell(tmp_path / "cell", "pass")
    lock = take_lock(made.folder / LOCK)
    assert lock is not None
    run = CellRun(made, program=PROGRAM, env=environment(jobs=1), cap=60.0)
    assert run.poll() is None and run.poll() is None
    assert not (made.folder / "log.txt").exists()
    os.close(lock)
    deadline = time.monotonic() + 30.0
    while (state := run.poll()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert state.status == "done"


def test_a_cell_that_stays_held_fails_and_is_not_written_to(tmp_path: Path) -> None:
    made = cell(tmp_path / "cell", "pass")
    lock = take_lock(made.folder / LOCK)
    assert lock is not None
    assert "another process has held" in (ended(made, cap=0.3).reason or "")
    assert read_state(made) is None
    os.close(lock)


@linux
def test_a_command_whose_starter_has_gone_is_not_begun() -> None:
    words = [sys.executable, "-m", "loupe.bench.ablation.leash", "1", sys.executable, "-c", "print('begun')"]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert "the runner has ended" in done.stderr


def test_cores_are_shared_between_jobs_unless_the_user_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    assert [environment(jobs=jobs)["OMP_NUM_THREADS"] for jobs in (1, 3, 20)] == ["8", "2", "1"]
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    assert environment(jobs=2)["OMP_NUM_THREADS"] == "5"


def test_the_folder_of_a_row_is_its_name_in_plain_letters() -> None:
    assert [slug(name) for name in ("+ KL-coverage", "rank only", "../../etc", "$$")] == [
        "kl-coverage",
        "rank-only",
        "etc",
        "",
    ]


def test_another_preset_concerns_the_cells_of_its_row_alone(tmp_path: Path) -> None:
    for name in ("grpo.yaml", "evaluate.yaml", "test.jsonl", "preset.yaml"):
        (tmp_path / name).write_text("a: 1\n")
    config = AblateConfig(
        grpo=str(tmp_path / "grpo.yaml"),
        evaluate=str(tmp_path / "evaluate.yaml"),
        start="pocket-agent",
        data=str(tmp_path),
        rows={"plain": RowConfig(), "preset": RowConfig(rewards=str(tmp_path / "preset.yaml"))},
        seeds=[0],
    )
    before = {made.row: made.asked for made in plan(config)}
    (tmp_path / "preset.yaml").write_text("a: 2\n")
    after = {made.row: made.asked for made in plan(config)}
    assert [row for row in before if before[row] != after[row]] == ["preset"]
    (tmp_path / "test.jsonl").write_text("a: 2\n")
    assert not [made.row for made in plan(config) if made.asked == before[made.row]]


def predictions(samples: list[Sample], *, right: int, level: int, unusable: int) -> list[Prediction]:
    """The first `right` name the class, the first `level` its level too; the last `unusable` say nothing usable."""
    made: list[Prediction] = []
    for place, sample in enumerate(samples):
        damage = sample.degradation
        assert damage is not None
        answer = answer_of(
            "so",
            rating=sample.rating,
            distortion_class=damage.distortion_class if place < right else "fog",
            severity=severity_word(damage.severity) if place < level else "none of them",
        )
        failed = place >= len(samples) - unusable
        stop = StopReason.UNUSABLE if failed else StopReason.FINAL
        answer = parse("nothing") if failed else answer
        made.append(Prediction(sample, "decided", Episode(sample.id, (Turn(WHOLE, "", answer, 1, 0.1),), stop)))
    return made


def test_shares_are_those_counted_by_hand_and_an_unusable_answer_is_mid_scale_and_wrong(samples: Samples) -> None:
    found = judged(predictions(samples(10), right=6, level=4, unusable=2))
    assert (found.class_right.mean(), found.severity_right.mean(), found.unusable.mean()) == (0.6, 0.4, 0.2)
    assert found.rating[-2:].tolist() == [3.0, 3.0]
    assert found.rating[:8].tolist() == found.mos[:8].tolist()
    assert judged(predictions(samples(10), right=10, level=10, unusable=3)).class_right.sum() == 7


def test_the_order_of_the_rows_and_a_row_that_was_written_twice_change_nothing(samples: Samples) -> None:
    rows = predictions(samples(10), right=6, level=4, unusable=2)
    plain, mixed = judged(rows), judged([*rows[::-1], rows[3]])
    assert plain.ids == mixed.ids
    assert np.array_equal(plain.rating, mixed.rating)


def test_an_image_without_a_class_label_has_no_say_in_the_accuracy() -> None:
    unlabelled = Sample("x", "x.png", "tiny", "test", rating=2.0, mos=2.0)
    answer = answer_of("so", rating=2.0, distortion_class="blur", severity="slight")
    item = Prediction(unlabelled, "decided", Episode("x", (Turn(WHOLE, "", answer, 1, 0.1),), StopReason.FINAL))
    found = judged([item])
    assert np.isnan(found.class_right).all()
    assert np.isnan(figure(METRICS[2], [drawn(found, n_boot=10, seed=0)], seed=0).value)


def test_with_one_seed_a_row_has_the_figures_of_its_own_evaluation(samples: Samples) -> None:
    rows = predictions(samples(30), right=20, level=10, unusable=6)
    found = judged(rows)
    alone = correlations(found.rating, found.mos, groups=found.groups, n_boot=300, seed=4)
    run = drawn(found, n_boot=300, seed=4)
    assert figure(METRICS[0], [run], seed=4) == pytest.approx(alone.srcc, abs=1e-12)
    assert figure(METRICS[1], [run], seed=4) == pytest.approx(alone.plcc, abs=1e-12)


def _is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits for its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
