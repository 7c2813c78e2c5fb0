"""Puts pictures in order: `loupe rank`.

Reads every picture once, so that what cannot be read is named before the model wakes; plays ratings or comparisons;
scores them; and says how sure each rank is. Files with the same pixels are one picture: nobody is asked to tell two
copies apart. A picture that cannot be ranked is a problem with a reason, and the others are ranked without it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from loupe.bench.agent import Agents
from loupe.bench.assess import AssessConfig, Judgement, assess, load_agents
from loupe.bench.ranking.compare import compare
from loupe.bench.ranking.config import COMPARISONS, RATED_PAIRS, RATINGS, THURSTONE, RankConfig
from loupe.bench.ranking.drawn import Scored, of_comparisons, of_rated_pairs, of_ratings
from loupe.bench.ranking.outcomes import Outcomes, count_outcomes, order_agreement
from loupe.bench.ranking.pairs import choose_pairs, linked
from loupe.bench.ranking.ranks import Place, places
from loupe.bench.ranking.reading import Picture, Problem, read_pictures
from loupe.bench.ranking.records import Ranked, Ranking
from loupe.bench.verdicts import expected_rating, last_word
from loupe.core.errors import ConfigError, DataError
from loupe.core.images import open_image
from loupe.core.model.checkpoints import model_folder
from loupe.core.numbers import count
from loupe.core.protocol import Protocol, load_protocol

Progress = Callable[[int, int, str], None]
"""Called with what is done, what there is in all, and what is at work now."""
MOST = 500
"""Pictures that are put on one scale by pairs: a fit takes their number cubed, and rated pairs take a thousand fits."""
RATING_UNIT, LOGIT_UNIT, PROBIT_UNIT = "rating from 1 to 5", "log odds", "units of the noise of one comparison"


@dataclass(frozen=True, slots=True)
class _Made:
    """What came of the judging: `pictures` in the order of `scored`, and what is to be said of them."""

    pictures: Sequence[Picture]
    scored: Scored
    unit: str
    problems: Sequence[Problem] = ()
    notes: Sequence[str] = ()
    counts: dict[str, float | None] = field(default_factory=dict[str, float | None])


def rank(
    paths: Sequence[Path], config: RankConfig, *, agents: Agents | None = None, progress: Progress | None = None
) -> Ranking:
    """The pictures in order, the best first. `agents` take the place of the model of the config.

    Raises ConfigError, MissingFileError for a missing protocol or reference, ImageError for a reference that cannot be
    read, ModelError, DataError where a fit does not settle.
    """
    protocol, say = _protocol(config), progress or _silent
    if agents is None:
        model_folder(config.model)
    pictures, problems = read_pictures(list(dict.fromkeys(paths)), partial(_now, say, "reading"))
    if config.by != RATINGS and len(pictures) > MOST:
        raise ConfigError(f"got {count(len(pictures))} pictures; {config.by} takes at most {MOST}; take --by {RATINGS}")
    by = _by_comparisons if config.by == COMPARISONS else _by_ratings
    made = by(pictures, config, protocol=protocol, agents=agents, say=say)
    return Ranking(
        by=config.by,
        model=config.model,
        protocol=protocol.name,
        unit=made.unit,
        seed=config.seed,
        pictures=_ranked(made),
        problems=(*problems, *made.problems),
        notes=tuple(made.notes),
        counts=made.counts,
    )


def _protocol(config: RankConfig) -> Protocol:
    """The protocol of the config. Raises ConfigError for one that asks for something else than the ranking needs."""
    protocol = load_protocol(config.asked)
    wanted = "choice" if config.by == COMPARISONS else "rating"
    if wanted not in protocol.asks:
        raise ConfigError(
            f"protocol {protocol.name!r} asks for {', '.join(protocol.asks)}, and --by {config.by} needs a {wanted}; "
            f"take {'compare' if wanted == 'choice' else 'zoom-brief or score'}, or another --by"
        )
    if config.by == COMPARISONS and ("{image3}" in protocol.question) is not bool(config.reference):
        remedy = "shows no reference; leave it out" if config.reference else "shows a reference; give it"
        raise ConfigError(f"protocol {protocol.name!r} {remedy} (--reference), or take another protocol")
    if config.reference:
        open_image(config.reference)
    return protocol


def _by_ratings(
    pictures: Sequence[Picture], config: RankConfig, *, protocol: Protocol, agents: Agents | None, say: Progress
) -> _Made:
    settings = _assess_config(config)
    judged = list[Judgement]()
    for made in assess([item.path for item in pictures], settings, agents=agents):
        judged.append(made)
        say(len(judged), len(pictures), "rating")
    problems = [(made.image, made.problem) for made in judged if made.problem is not None]
    rated = [(item, _ratings(made)) for item, made in zip(pictures, judged, strict=True) if made.problem is None]
    ratings = [found for _, found in rated]
    counts: dict[str, float | None] = {
        "ratings": sum(map(len, ratings)),
        "unusable": sum(len(made.samples) for made in judged) - sum(map(len, ratings)),
    }
    fit = of_ratings
    if config.by == RATED_PAIRS:
        fit = partial(of_rated_pairs, progress=partial(_now, say, "drawing"))
    scored = fit(ratings, draws=config.draws, seed=config.seed)
    unit = LOGIT_UNIT if config.by == RATED_PAIRS else RATING_UNIT
    notes = ["One rating a picture: how sure the ranks are is not known; take more samples, without fast."]
    alone = all(len(found) == 1 for found in ratings) and bool(ratings)
    return _Made([item for item, _ in rated], scored, unit, problems, notes if alone else (), counts)


def _ratings(made: Judgement) -> list[float]:
    """The rating of each sample that gave one."""
    turns = (last_word(episode, asks=made.asks) for episode in made.samples)
    return [expected_rating(turn) for turn in turns if turn is not None]


def _by_comparisons(
    pictures: Sequence[Picture], config: RankConfig, *, protocol: Protocol, agents: Agents | None, say: Progress
) -> _Made:
    unit = PROBIT_UNIT if config.fit == THURSTONE else LOGIT_UNIT
    pairs = choose_pairs(len(pictures), budget=config.pairs, seed=config.seed) if len(pictures) > 1 else []
    if pairs and agents is None:
        agents = load_agents(_assess_config(config), protocol)
    compared = []
    if pairs and agents is not None:
        shown = [(item.path, item.fingerprint) for item in pictures]
        compared = compare(
            shown, pairs, config, protocol=protocol, agents=agents, progress=partial(_now, say, "comparing")
        )
    outcomes = count_outcomes(compared, pictures=len(pictures))
    if compared and outcomes.unusable == outcomes.answers:
        raise DataError(
            f"none of {count(outcomes.answers)} answers was a choice; give a model that learnt to compare under the "
            f"protocol {protocol.name!r}, the protocol that it learnt, or take --by {RATINGS}"
        )
    scored = of_comparisons(outcomes, draws=config.draws, seed=config.seed, fit=config.fit)
    counts: dict[str, float | None] = {
        "pairs": len(pairs),
        "comparisons": outcomes.answers,
        "unusable": outcomes.unusable,
        "same_in_both_orders": order_agreement(compared),
        "groups": linked(len(pictures), outcomes.pairs),
    }
    return _Made(pictures, scored, unit, notes=_notes(outcomes), counts=counts)


def _notes(outcomes: Outcomes) -> list[str]:
    """What a reader of comparisons should know."""
    groups = linked(outcomes.pictures, outcomes.pairs)
    if outcomes.pictures == 1:
        return ["One picture: there is nothing to compare it with."]
    if groups > 1:
        return [
            f"The usable answers leave {groups} groups that no comparison links: how these stand to each other is not "
            "known, and only the order inside a group counts."
        ]
    return []


def _assess_config(config: RankConfig) -> AssessConfig:
    return AssessConfig(
        model=config.model,
        protocol=config.asked,
        zoom=config.zoom,
        fast=config.fast,
        samples=config.judgements,
        seed=config.seed,
        batch_size=config.batch_size,
    )


def _ranked(made: _Made) -> tuple[Ranked, ...]:
    names = [str(item.path) for item in made.pictures]
    return tuple(_entry(place, made.pictures[place.item], names) for place in places(made.scored)) if names else ()


def _entry(place: Place, picture: Picture, names: Sequence[str]) -> Ranked:
    return Ranked(
        image=names[place.item],
        rank=place.rank,
        score=place.score,
        interval=place.interval,
        ranks=place.ranks,
        shares=place.shares,
        not_apart=None if place.not_apart is None else tuple(names[item] for item in place.not_apart),
        copies=tuple(str(path) for path in picture.copies),
    )


def _now(say: Progress, what: str, done: int, total: int) -> None:
    say(done, total, what)


def _silent(_done: int, _total: int, _now: str) -> None:
    return None
