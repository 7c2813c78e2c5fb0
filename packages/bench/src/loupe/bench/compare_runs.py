"""Two runs on the same images, image by image: `loupe compare-runs`.

A difference is that of `a` less `b` on the images that both judged, with an interval whose draws take the same images
for both, so that what they share cancels. Failures count at mid-scale and as wrong. One of the two is called better
only where the interval leaves out zero. What only one of them judged is counted and named, never dropped in silence.
Reads run folders alone: predictions.jsonl, summary.json and, for several data sets, table.json.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loupe.bench.paired_runs import Pairs, differences, mean_differences
from loupe.bench.predictions import FILE as PREDICTIONS
from loupe.bench.predictions import Prediction, read_predictions
from loupe.bench.sets.names import TABLE
from loupe.bench.summary import FILE as SUMMARY
from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.files import inside, read_json

NAMED = 5
"""Images that are named of those that one run alone judged."""
_OF_PLACE_OR_DATA = ("data", "split", "data_sha256", "python", "versions", "seed", "bootstrap")
"""What a protocol says that is no reason for one run to be better."""


@dataclass(frozen=True, slots=True)
class RunSets:
    """A run folder as it was read: predictions by data set ("" where the folder holds one evaluation) and protocol."""

    folder: Path
    sets: dict[str, list[Prediction]]
    protocol: dict[str, Any]

    @property
    def asks(self) -> Sequence[str]:
        """The keys that were asked for; where no summary says it, as in a run that was cut, those that answers have."""
        said = {
            key
            for items in self.sets.values()
            for item in items
            for turn in item.episode.turns
            for key in turn.answer.said
        }
        return self.protocol.get("asks") or sorted(said)


def compare_runs(a: Path | str, b: Path | str, *, n_boot: int = 1000, seed: int = 0) -> dict[str, Any]:
    """Everything that `loupe compare-runs` prints, ready for JSON.

    Raises MissingFileError for a folder without a run, ConfigError where the two have no data set, look or image in
    common, DataError where they hold other labels for the same image.
    """
    first, second = read_run(Path(a)), read_run(Path(b))
    shared = _shared_sets(first, second)
    pairs = {name: _pairs_by_look(first, second, name) for name in shared}
    if not any(found.items for looks in pairs.values() for found in looks.values()):
        raise ConfigError(
            f"{a} (looks {_all_looks(first)}) and {b} (looks {_all_looks(second)}) have no image under the same look "
            "in common; compare runs over the same data and looks"
        )
    looks = [look for look in pairs[shared[0]] if all(look in found and found[look].items for found in pairs.values())]
    return {
        "a": str(a),
        "b": str(b),
        "difference": "a less b, on the images that both judged; failures count at mid-scale and as wrong",
        "bootstrap": f"{n_boot} paired draws, whole groups of one reference image, 95 % percentile interval",
        "sets": {
            name: _set(first.sets[name], second.sets[name], found, n_boot=n_boot, seed=seed)
            for name, found in pairs.items()
        },
        "means": {
            look: mean_differences({name: pairs[name][look] for name in shared}, n_boot=n_boot, seed=seed)
            for look in (looks if len(shared) > 1 else [])
        },
        "sets_not_shared": {"a": _without(first.sets, second.sets), "b": _without(second.sets, first.sets)},
        "protocol_differs": _protocol_differs(first.protocol, second.protocol),
    }


def read_run(folder: Path) -> RunSets:
    """Predictions of a folder of one evaluation or of several sets, first attempts alone. Raises MissingFileError."""
    if (folder / TABLE).is_file():
        table = read_json(folder / TABLE)
        files = {name: inside(folder, name) / PREDICTIONS for name in table["sets"]}
        return RunSets(folder, {name: read_predictions(path) for name, path in files.items()}, table["protocol"])
    if not (folder / PREDICTIONS).is_file():
        raise MissingFileError(f"{folder} holds no {PREDICTIONS} and no {TABLE}; name the out folder of loupe evaluate")
    protocol: dict[str, Any] = read_json(folder / SUMMARY)["protocol"] if (folder / SUMMARY).is_file() else {}
    return RunSets(folder, {"": read_predictions(folder / PREDICTIONS)}, protocol)


def _shared_sets(a: RunSets, b: RunSets) -> list[str]:
    if ("" in a.sets) != ("" in b.sets):
        several = a.folder if "" in b.sets else b.folder
        raise ConfigError(f"{several} holds several data sets and the other run one; name the folder of one set in it")
    if shared := [name for name in a.sets if name in b.sets]:
        return shared
    raise ConfigError(
        f"{a.folder} holds {', '.join(a.sets)} and {b.folder} {', '.join(b.sets)}; wanted a data set in common"
    )


def _pairs_by_look(first: RunSets, second: RunSets, where: str) -> dict[str, Pairs]:
    a, b, asks = first.sets[where], second.sets[where], (first.asks, second.asks)
    theirs = {(item.look, item.sample.id): item for item in b}
    pairs = [(item, theirs[item.look, item.sample.id]) for item in a if (item.look, item.sample.id) in theirs]
    if other := [one.sample.id for one, two in pairs if _label(one) != _label(two)]:
        raise DataError(
            f"{where + ': ' if where else ''}{len(set(other))} images have another label in the second run, such as "
            f"{other[0]!r}; compare runs over the same data"
        )
    looks = [look for look in _looks(a) if look in _looks(b)]
    return {look: Pairs([pair for pair in pairs if pair[0].look == look], asks) for look in looks}


def _label(item: Prediction) -> tuple[str, Any]:
    """As text, in which one NaN is like another."""
    return repr(item.sample.rating), item.sample.degradation


def _set(
    a: Sequence[Prediction], b: Sequence[Prediction], pairs: Mapping[str, Pairs], *, n_boot: int, seed: int
) -> dict[str, Any]:
    alone = {look: {"a": _alone(a, b, look), "b": _alone(b, a, look)} for look in pairs}
    return {
        "looks": {
            look: {**differences(found, n_boot=n_boot, seed=seed), "not_shared": alone[look]}
            for look, found in pairs.items()
            if found.items
        },
        "looks_not_shared": {"a": _without(_looks(a), _looks(b)), "b": _without(_looks(b), _looks(a))},
    }


def _looks(items: Sequence[Prediction]) -> list[str]:
    return list(dict.fromkeys(item.look for item in items))


def _all_looks(run: RunSets) -> str:
    return ", ".join(dict.fromkeys(look for items in run.sets.values() for look in _looks(items))) or "none"


def _alone(ours: Sequence[Prediction], theirs: Sequence[Prediction], look: str) -> dict[str, Any]:
    """Images that one run alone judged under a look: how many, and the first few."""
    known = {item.sample.id for item in theirs if item.look == look}
    names = [item.sample.id for item in ours if item.look == look and item.sample.id not in known]
    return {"count": len(names), "first": names[:NAMED]}


def _without(ours: Sequence[str] | Mapping[str, Any], theirs: Sequence[str] | Mapping[str, Any]) -> list[str]:
    return [name for name in ours if name not in theirs]


def _protocol_differs(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Settings of the two runs that differ and may be the reason of a difference."""
    keys = [key for key in dict.fromkeys([*a, *b]) if key not in _OF_PLACE_OR_DATA]
    return {key: [a.get(key), b.get(key)] for key in keys if a.get(key) != b.get(key)}
