"""`loupe bench`: what is measured side by side: times of `rewards`, `grpo` and `gpu`, and the worth of a diagnosis."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from loupe.cli.bench_modes import modes
from loupe.cli.bench_test_fit import test_fit
from loupe.cli.options import ConfigFile, Overrides, Resume, words

if TYPE_CHECKING:
    from rich.table import Table

    from loupe.grpo.benchmark.compare import Compared

bench = typer.Typer(no_args_is_help=True)
bench.command()(modes)
bench.command("test-fit")(test_fit)


@bench.callback()
def _group() -> None:
    """Measure parts of Loupe beside yardsticks, in one run on this machine."""


@bench.command()
def rewards(
    images: Annotated[int, typer.Option(min=2, help="Images of the batch.")] = 256,
    samples: Annotated[int, typer.Option(min=2, help="Rated samples of each image.")] = 8,
) -> None:
    """Time the rank reward beside plain loops over its formula, and check that they agree.

    Exit code 1 where they do not. Use one thread for a fair ratio: OMP_NUM_THREADS=1.

    Examples:

    loupe bench rewards

    loupe bench rewards --images 64 --samples 6
    """
    from rich.table import Table

    from loupe.bench.reward_speed import TOLERANCE, time_rank_reward
    from loupe.cli.screen import out, progress_bar, remark
    from loupe.core import numbers

    with progress_bar("images of the loops") as step:
        timings = time_rank_reward(images=images, samples=samples, progress=step)
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(f"rank reward, {images} images, {samples} samples each")
    for key in ("time", "times ours", "greatest difference"):
        table.add_column(key, justify="right")
    for timing in timings:
        ratio = numbers.fixed(timing.seconds / timings[0].seconds, 0)
        table.add_row(timing.name, numbers.seconds(timing.seconds), ratio, numbers.scientific(timing.difference))
    out().print(table)
    if any(timing.difference > TOLERANCE for timing in timings):
        remark(f"the ways do not agree to {TOLERANCE}: a defect, please report it")
        raise typer.Exit(1)


@bench.command()
def grpo(
    steps: Annotated[int, typer.Option(min=1, help="Steps that are timed, after two that are not.")] = 5,
    prompts: Annotated[str, typer.Option(help="Tokens of a prompt, with commas between them.")] = "100,250,400",
    images: Annotated[int, typer.Option(min=1, help="Images of a step.")] = 8,
    samples: Annotated[int, typer.Option(min=2, help="Completions of each image.")] = 8,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens of a completion, exactly.")] = 64,
    output: Annotated[Path | None, typer.Option(help="JSON file for all numbers.")] = None,
) -> None:
    """Time a GRPO step beside TRL's own trainer on the same work, without and with a crop, and scoring beside generate.

    Each runs in a process of its own, one after the other, on a pocket model with random weights. Use one thread for a
    fair ratio: OMP_NUM_THREADS=1.

    Examples:

    loupe bench grpo

    loupe bench grpo --prompts 400 --steps 3 --output step.json
    """
    from dataclasses import replace

    from loupe.cli.screen import out, progress_bar, remark
    from loupe.core import numbers
    from loupe.grpo.benchmark.compare import compare, compare_scoring, write_json_report
    from loupe.grpo.benchmark.work import BenchWork

    lengths = [_tokens(word) for word in prompts.split(",")]
    base = BenchWork(images=images, samples=samples, tokens=tokens, steps=steps)
    works = [replace(base, prompt=prompt, zoom=zoom) for zoom in (False, True) for prompt in lengths]
    with progress_bar("trainings and scorings") as step:
        total = 2 * len(works) + 2
        made = compare(works, progress=lambda done, _: step(done, total))
        scored = compare_scoring(
            replace(base, images=images * samples, samples=1, prompt=lengths[-1]),
            progress=lambda done, _: step(2 * len(works) + done, total),
        )
    out().print(_step_table(made))
    ours, stock = (scored.measured[name]["seconds"] for name in ("ours", "stock"))
    ratio = numbers.fixed(stock / ours, 2)
    remark(
        f"scoring {images * samples} images greedily: {ours:.2f} s, the library's generate {stock:.2f} s, {ratio} times"
    )
    if output is not None:
        write_json_report([*made, scored], output)
        remark(f"written to {output}")


@bench.command()
def gpu(
    size: Annotated[str, typer.Option(help="Shape of the model: 7b, 3b, or tiny to try the command.")] = "7b",
    output: Annotated[Path, typer.Option(help="Folder for the JSON file, which is named for the GPU.")] = Path(
        "docs/benchmarks"
    ),
    steps: Annotated[int, typer.Option(min=1, help="Steps that are timed, after one that is not.")] = 3,
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the command.")] = "cuda",
) -> None:
    """Time a QLoRA step of a large model with random weights on this GPU: NF4, LoRA of rank 16, bf16, 512 x 384 images.

    8 samples of 256 tokens, with and without gradient checkpointing, without and with a crop. Then 32 images are scored
    in bf16, by an answer of 256 tokens each and by the fast mode. Nothing is downloaded; the random weights take as
    much disk as real ones for as long as it runs.

    Examples:

    loupe bench gpu

    loupe bench gpu --size 3b

    loupe bench gpu --size tiny --device cpu --output runs/bench
    """
    from loupe.cli.screen import out, progress_bar, remark
    from loupe.grpo.benchmark.compare import compare, compare_scoring
    from loupe.grpo.benchmark.gpu import WAYS, gpu_works, scoring_work, write_gpu_report

    works = gpu_works(size, device=device, steps=steps)
    with progress_bar("trainings") as step:
        # Minutes a work: what is measured is kept, whatever becomes of the next one.
        made = compare(works, trainers=["ours"], progress=step, keep=lambda done: write_gpu_report(done, output))
    out().print(_step_table(made))
    with progress_bar("ways to score") as step:
        scored = compare_scoring(scoring_work(works[0]), ways=WAYS, progress=step)
    for name, measured in scored.measured.items():
        out().print(f"{scored.work.images} images, {name}: {measured['seconds']:.2f} s")
    remark(f"written to {write_gpu_report([*made, scored], output)}")


@bench.command()
def restoration(
    overrides: Overrides = None,
    config: ConfigFile = None,
    resume: Resume = False,
) -> None:
    """Treat synthetic images as the agent diagnoses them, and measure what that is worth against the pristine images.

    Beside the agent's diagnosis stand doing nothing, one fixed remedy, random remedies, the diagnosis of another image,
    and the true diagnosis as the ceiling.

    Examples:

    loupe bench restoration --config configs/pocket/restoration.yaml

    loupe bench restoration model=runs/pocket/grpo/model data=data/pocket out=runs/pocket/restoration-grpo limit=240
    """
    from loupe.bench.restoration.config import RestorationConfig
    from loupe.bench.restoration.run import restoration as run
    from loupe.bench.restoration.table import class_table, gain_table, notes
    from loupe.cli.screen import out, progress_bar, remark, text_table
    from loupe.core.config import load_config
    from loupe.core.files import read_json

    settings = load_config(RestorationConfig, config, words(overrides, resume=resume))
    with progress_bar("images") as step:
        made = run(settings, progress=step)
    data = read_json(made)
    for table in (gain_table(data), class_table(data, short=True)):
        out().print(text_table(table.head, table.rows))
    for note in notes(data):
        remark(note)
    remark(f"written to {settings.out}: restoration.json, table.md, restoration.html, treated.jsonl")


def _tokens(word: str) -> int:
    if not word.strip().isdigit():
        raise typer.BadParameter(f"got {word!r}; wanted numbers of tokens with commas between them, such as 100,400")
    return int(word)


def _step_table(made: "list[Compared]") -> "Table":
    """A line a trainer and work: seconds of a step and of its parts, peak memory, and stock's seconds over ours."""
    from rich.table import Table

    from loupe.core import numbers
    from loupe.grpo.benchmark.worker_parts import PARTS

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 1, 0, 0))
    for head in ("prompt", ""):
        table.add_column(head, no_wrap=True)
    for head in ("s/step", "sample", "reward", "refer", "policy", "back", "GB", "bound", "ratio"):
        table.add_column(head, justify="right", no_wrap=True)
    for item in made:
        for name, measured in item.measured.items():
            parts = (numbers.fixed(measured["parts"][part], 2) for part in PARTS)
            ratio = numbers.fixed(item.ratio, 2) if name == "ours" and "stock" in item.measured else ""
            peak, bound = numbers.fixed(measured["peak_bytes"] / 2**30, 2), numbers.fixed(item.bound, 2)
            table.add_row(item.title, name, numbers.fixed(measured["seconds"], 2), *parts, peak, bound, ratio)
    return table
