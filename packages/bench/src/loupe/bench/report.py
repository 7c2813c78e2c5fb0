"""One page over a recipe: what each stage reached, how it was learnt, what zooming is worth, and trails to look at.

Reads run folders alone: summary.json, predictions.jsonl, the kept images and, where there is one, audit.json of
evaluations, metrics.jsonl of trainings and, where there are some, draws.jsonl and the episodes over watched images.
No model, no data folder, no GPU. Beside report.html lies report.json with every number that the page prints.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from loupe.bench.audit.names import FILE as AUDIT
from loupe.bench.audit.picture import audit_figure
from loupe.bench.draws import histogram_figure, read_draws
from loupe.bench.pages import render_page
from loupe.bench.plots import by_look, curves, learning_curves, scatter
from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.predictions import Prediction, read_predictions
from loupe.bench.samples_page import SaidOver, said_over_training
from loupe.bench.sets.names import TABLE
from loupe.bench.summary import BASELINE, paired_gain
from loupe.bench.summary import FILE as SUMMARY
from loupe.bench.trails import Trail, kept_trails
from loupe.bench.verdicts import EVERYTHING, expected_rating, verdict_of
from loupe.bench.words import FIT_WORDS, LOOK_WORDS
from loupe.core.errors import ConfigError
from loupe.core.files import read_json, read_jsonl, write_json, write_text_atomic
from loupe.core.runs import METRICS


@dataclass
class ReportInputs:
    """What a report is made of."""

    evaluations: dict[str, str] = field(default_factory=dict[str, str])
    """Name of a row to the folder of its evaluation, in the order of the recipe; the last one is shown in detail."""
    trainings: dict[str, str] = field(default_factory=dict[str, str])
    """Name of a training to its run folder: metrics.jsonl gives the learning curves, draws.jsonl the ratings that were
    drawn, and the watched images what was said about them over the training."""
    title: str = "Loupe: what the agent learnt, and what zooming is worth"
    """Heading of the page."""
    trails: int = 8
    """Images whose zoom trail is shown, among those that the last evaluation kept."""


@dataclass
class ReportConfig(ReportInputs):
    """Settings of `loupe report`."""

    out: str = "runs/pocket/report"
    """Folder for report.html and report.json."""


SUBSET_WORDS = {"all": "all images", "hard": "hard images", "easy": "easy images"}


@dataclass(frozen=True, slots=True)
class _Run:
    """One evaluation as its folder tells it. `main` are the predictions under the decided look, or the first one."""

    name: str
    folder: Path
    summary: dict[str, Any]
    main_look: str
    main: list[Prediction]

    @property
    def asks(self) -> Sequence[str]:
        """The keys that its protocol asked for; older summaries do not say."""
        return self.summary["protocol"].get("asks", EVERYTHING)


def report(runs: ReportInputs, out: Path | str) -> Path:
    """Write report.html and report.json into the folder `out`; returns the path of the page.

    Raises ConfigError where no evaluation is named, MissingFileError for a run folder without its files, DataError for
    rows of another form.
    """
    if not runs.evaluations:
        raise ConfigError("got no evaluations; name one at least, for example evaluations.agent=runs/pocket/eval")
    evaluations = [_read(name, Path(folder)) for name, folder in runs.evaluations.items()]
    trainings = {name: read_jsonl(Path(folder) / METRICS) for name, folder in runs.trainings.items()}
    drawn = {name: read_draws(folder) for name, folder in runs.trainings.items()}
    numbers = Path(out) / "report.json"
    data = {
        "title": runs.title,
        "evaluations": {run.name: run.summary for run in evaluations},
        "steps": {_step_name(before, after): _step(before, after) for before, after in pairwise(evaluations)},
        "trainings": {name: curves(rows) for name, rows in trainings.items()},
        "draws": {name: found for name, found in drawn.items() if found},
        "audits": {run.name: read_json(run.folder / AUDIT) for run in evaluations if (run.folder / AUDIT).is_file()},
    }
    write_json(numbers, data)
    last, page = evaluations[-1], Path(out) / "report.html"
    trails = kept_trails(last.folder, last.main, look=last.main_look, limit=runs.trails, asks=last.asks)
    said = {name: found for name, folder in runs.trainings.items() if (found := said_over_training(folder))}
    # The page is made of what report.json holds, so the two cannot differ.
    write_text_atomic(page, _page(read_json(numbers), last=last, trails=trails, said=said))
    return page


def _read(name: str, folder: Path) -> _Run:
    if (folder / TABLE).is_file():
        sets = ", ".join(read_json(folder / TABLE)["sets"])
        raise ConfigError(
            f"{folder} holds several data sets ({sets}); name the folder of one in it, or take --published"
        )
    summary = read_json(folder / SUMMARY)
    if "looks" not in summary:
        what = "comparisons of pairs" if "comparison" in summary else "no evaluation of images"
        raise ConfigError(f"{folder} holds {what}; a report shows evaluations of images, name folders of those")
    main_look = _main_look(summary)
    main = [item for item in read_predictions(folder / PREDICTIONS) if item.look == main_look]
    return _Run(name, folder, summary, main_look, main)


def _step_name(before: _Run, after: _Run) -> str:
    """The names, and how the two judged where they did so in two ways, as with the fast mode on one side."""
    looks = [LOOK_WORDS.get(run.main_look, run.main_look) for run in (after, before)]
    return f"{after.name} − {before.name}" + (f" ({' − '.join(looks)})" if looks[0] != looks[1] else "")


def _step(before: _Run, after: _Run) -> dict[str, Any]:
    """What one stage added to the one before, on the images that both judged and in what both were asked."""
    asks = [key for key in after.asks if key in before.asks]
    gains = {"all": paired_gain(after.main, before.main, asks=asks)}
    if hard := [item for item in after.main if item.sample.hard]:
        gains["hard"] = paired_gain(hard, before.main, asks=asks)
    return {subset: asdict(gain) for subset, gain in gains.items()}


def _page(data: Mapping[str, Any], *, last: _Run, trails: Sequence[Trail], said: Mapping[str, list[SaidOver]]) -> str:
    evaluations: dict[str, Any] = data["evaluations"]
    looks = [look for look in LOOK_WORDS if any(look in summary["looks"] for summary in evaluations.values())]
    subsets = [name for name in SUBSET_WORDS if any(_scores(item, looks[0], name) for item in evaluations.values())]
    return render_page(
        "report.html.jinja",
        title=data["title"],
        evaluations=evaluations,
        steps=data["steps"],
        looks=looks,
        look_words=LOOK_WORDS,
        subsets=subsets,
        subset_words=SUBSET_WORDS,
        baseline=BASELINE,
        look_plots={
            subset: plot for subset in subsets if (plot := _look_plot(evaluations, looks, subset=subset)) is not None
        },
        trainings=list(data["trainings"]),
        curves={name: learning_curves(series) for name, series in data["trainings"].items() if series},
        draws={name: histogram_figure(found) for name, found in data["draws"].items()},
        audits=data["audits"],
        audit_plots={name: audit_figure(found) for name, found in data["audits"].items()},
        scatter=_scatter(last),
        last=last.name,
        main=evaluations[last.name]["looks"][last.main_look],
        trails=trails,
        said=said,
        fitted=_fitted(evaluations),
        fit_words=FIT_WORDS,
    )


def _fitted(evaluations: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Name, look and correlations of each evaluation, under its main look, whose summary has fitted figures; older
    summaries have none."""
    rows: list[dict[str, Any]] = []
    for name, summary in evaluations.items():
        look = _main_look(summary)
        scores = _scores(summary, look, "all")
        raw: dict[str, Any] = scores["expected"]["all"] if scores and scores["expected"] else {}
        if any(fit in raw for fit in FIT_WORDS):
            rows.append({"name": name, "look": LOOK_WORDS.get(look, look), "raw": raw})
    return rows


def _main_look(summary: Mapping[str, Any]) -> str:
    looks: dict[str, Any] = summary["looks"]
    return BASELINE if BASELINE in looks else next(iter(looks))


def _scores(summary: Mapping[str, Any], look: str, subset: str) -> dict[str, Any] | None:
    return summary["looks"].get(look, {}).get(subset)


def _look_plot(evaluations: Mapping[str, Any], looks: Sequence[str], *, subset: str) -> str | None:
    """None where nobody was asked for a rating."""
    rows = {
        name: {
            look: cell["expected"]["all"]["srcc"]
            for look in looks
            if (cell := _scores(summary, look, subset)) and cell["expected"]
        }
        for name, summary in evaluations.items()
    }
    return by_look(rows, looks=looks, words=LOOK_WORDS) if any(rows.values()) else None


def _scatter(run: _Run) -> str | None:
    """Over the images that somebody rated; None where there are none, or no rating was asked for."""
    items = [item for item in run.main if math.isfinite(item.sample.rating)]
    if "rating" not in run.asks or not items:
        return None
    ratings = [expected_rating(verdict_of(item.episode)) for item in items]
    labels = [item.sample.rating for item in items]
    return scatter(labels, ratings, hard=[item.sample.hard is True for item in items])
