"""`loupe data`: what makes data folders and looks after them, a function a verb.

`synth`, `pairs`, `skew` and `rationales` are here; `build`, `audit` and `export` have files of their own.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from loupe.cli.data_audit import audit
from loupe.cli.data_build import build
from loupe.cli.data_export import export
from loupe.cli.options import ConfigFile, Overrides, Resume, words

if TYPE_CHECKING:
    from rich.table import Table

data = typer.Typer(no_args_is_help=True)
data.command()(build)
data.command()(audit)
data.command()(export)

_STAGES = ("generate", "reliance", "consistency")


@data.callback()
def _group() -> None:
    """Read public data sets, make labelled images, and look after data folders."""


@data.command()
def synth(
    overrides: Overrides = None,
    config: ConfigFile = None,
) -> None:
    """Make labelled images: clean ones, damaged by the engine, rated by measurement against their originals.

    Clean images are drawn from nothing, or are windows of your own photographs. No clean image is in two splits. An
    interrupted run goes on where it stopped when the same line is given again.

    Examples:

    loupe data synth --config configs/pocket/data.yaml

    loupe data synth out=data/small train=40 val=5 test=20 seed=1

    loupe data synth out=data/mine photos=holiday photo_share=0.5 workers=2
    """
    from loupe.cli.screen import out, progress_bar, remark
    from loupe.core.config import load_config
    from loupe.core.files import read_json
    from loupe.data.synth import SynthConfig, synthesise

    settings = load_config(SynthConfig, config, words(overrides))
    with progress_bar("pristine images") as step:
        folder = synthesise(settings, progress=step)
    out().print(_table(read_json(folder / "manifest.json")["splits"]))
    remark(f"written to {folder}: images, labels of each split, manifest.json")


@data.command()
def pairs(
    overrides: Overrides = None,
    config: ConfigFile = None,
) -> None:
    """Pair the images of a data folder for comparison: which is better, or are they alike? Each pair in both orders.

    Examples:

    loupe data pairs data=data/pocket

    loupe data pairs data=data/pocket split=test count=500 margin=0.5 alike_share=0
    """
    from loupe.cli.screen import remark
    from loupe.core.config import load_config
    from loupe.data.pairs import PairsConfig, write_pairs

    path = write_pairs(load_config(PairsConfig, config, words(overrides)))
    remark(f"written to {path}")


@data.command()
def skew(
    overrides: Overrides = None,
    config: ConfigFile = None,
) -> None:
    """Keep few training images of rare ratings: the same data with opinions that crowd in the middle.

    Examples:

    loupe data skew data=data/pocket out=data/pocket-skewed

    loupe data skew data=data/pocket out=data/high centre=4.5 width=0.5 floor=0.01
    """
    from loupe.cli.screen import remark
    from loupe.core import numbers
    from loupe.core.config import load_config
    from loupe.core.files import read_json
    from loupe.data.skew import SkewConfig, write_skewed

    folder = write_skewed(load_config(SkewConfig, config, words(overrides)))
    images = read_json(folder / "manifest.json")["splits"]["train"]["images"]
    remark(f"written to {folder}: {numbers.count(images)} training images, validation and test as they were")


@data.command()
def rationales(
    overrides: Overrides = None,
    config: ConfigFile = None,
    resume: Resume = False,
) -> None:
    """Have a teacher write grounded rationales for labelled images, and keep those that pass two filters.

    The teacher is a vision model behind any OpenAI-compatible endpoint, or the truth that the degradation engine knows
    of its own images. What it would have decided without the image, and what measurements speak against, is made again
    or dropped. Nothing that was answered is asked again after a stop; --resume goes on.

    Examples:

    loupe data rationales --config configs/pocket/rationales.yaml

    loupe data rationales data=data/koniq out=data/gr-iqa endpoint.model=NAME endpoint.base_url=http://127.0.0.1:8000/v1

    loupe data rationales --config configs/qwen2_5_vl_7b/rationales.yaml limit=50 endpoint.concurrency=8 --resume
    """
    from loupe.bench.rationale_page import write_rationale_page
    from loupe.cli.screen import out, progress_bar, remark
    from loupe.core.config import load_config
    from loupe.sft.rationales.build import build_rationales
    from loupe.sft.rationales.config import RationalesConfig

    settings = load_config(RationalesConfig, config, words(overrides, resume=resume))
    with progress_bar("rationales") as step:
        manifest = build_rationales(settings, progress=step)
    page = write_rationale_page(Path(settings.out), data=Path(settings.data))
    out().print(_stages(manifest))
    out().print(_cost(manifest["cost"]))
    files = ", ".join(f"rationales/{split}.jsonl" for split in settings.splits)
    remark(f"written to {settings.out}: {files}, labels, images, manifest.json, {page.name}")


def _stages(manifest: dict[str, Any]) -> "Table":
    """What became of the images, stage by stage, and what was left at the end."""
    from loupe.cli.screen import text_table
    from loupe.core import numbers

    counts = manifest["counts"]
    rows = [[name, *(numbers.count(counts[name][key]) for key in ("attempts", "passed"))] for name in _STAGES]
    states = ("kept", "dropped", "left out")
    rows += [[f"images {state}", numbers.count(counts["items"]), numbers.count(counts[state])] for state in states]
    return text_table(("stage", "of", "passed"), rows)


def _cost(cost: dict[str, dict[str, Any]]) -> "Table":
    """A row a stage: requests and tokens, as the server counts them."""
    from loupe.cli.screen import text_table
    from loupe.core import numbers

    keys = ("answered", "retried", "failed", "unknown", "prompt_tokens", "completion_tokens")
    rows = [[name, *(numbers.count(row[key]) for key in keys)] for name, row in cost.items()]
    return text_table(("requests", *(key.replace("_", " ") for key in keys)), rows)


def _table(splits: dict[str, dict[str, Any]]) -> "Table":
    """A row a split: how many images, of how many pristine ones, how many hard and how many damaged in one region."""
    from rich.table import Table

    from loupe.core import numbers

    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("split")
    for key in ("images", "pristine", "hard", "local"):
        table.add_column(key, justify="right")
    for split, counts in splits.items():
        table.add_row(split, *(numbers.count(counts[key]) for key in ("images", "pristine", "hard", "local")))
    return table
