"""The rewards of a step: every task by its own questions and dialect, all in one table in the order of the rollouts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from loupe.core.errors import ConfigError
from loupe.core.records import Episode, StopReason
from loupe.grpo.tasks import Row
from loupe.rewards.batch import RewardBatch
from loupe.rewards.joint import JointReward, RewardTable
from loupe.rewards.terms import TERMS


def score(
    episodes: Sequence[Episode], rows: Sequence[Row], reward: JointReward, *, num_generations: int
) -> RewardTable:
    """Reward table of N episodes over `rows` (N,), whole groups in a row; images are ranked within their task.

    A completion that no weighted term applies to has a total of NaN: nobody could score it.
    """
    places: dict[str, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.task, []).append(place)
    columns = {name: np.full(len(rows), np.nan) for name in reward.names}
    total = np.full(len(rows), np.nan)
    for chosen in places.values():
        completions = tuple(rows[place].completion(episodes[place]) for place in chosen)
        table = reward.score(RewardBatch(completions, num_generations, rows[chosen[0]].protocol.dialect))
        for name, column in table.columns.items():
            columns[name][chosen] = column
        total[chosen] = table.total
    paid = (
        np.any([~np.isnan(columns[name]) for name in reward.paid], axis=0) if reward.paid else np.ones(len(rows), bool)
    )
    return RewardTable(columns, np.where(paid, total, np.nan))


def check_paid(rows: Sequence[Row], reward: JointReward) -> None:
    """Raises ConfigError for a task none of whose rollouts could earn anything, whatever they say."""
    for task in dict.fromkeys(row.task for row in rows):
        mine = [row for row in rows if row.task == task]
        silent = tuple(row.completion(Episode(row.id, (), StopReason.UNUSABLE)) for row in mine)
        batch = RewardBatch(silent, 1, mine[0].protocol.dialect)
        # What can be scored can be ranked, and a rank is of all images at once.
        terms = {"score" if name == "rank" else name for name in reward.paid}
        if terms and all(np.isnan(TERMS[name](batch, reward.options)).all() for name in terms):
            asked = ", ".join(mine[0].protocol.asks) or "nothing"
            raise ConfigError(
                f"the task {task!r} asks for {asked}, and no reward with a weight applies to that "
                f"({', '.join(reward.paid)}); give one that does a weight, or ask for what they pay"
            )


def figures(
    episodes: Sequence[Episode], rows: Sequence[Row], table: RewardTable, *, num_generations: int
) -> dict[str, float]:
    """What a step's rollouts were like: of all, and of each task where there are several; means over completions.

    The standard deviation `reward_std` is over all of them, those `rewards/…/std` over what a term applies to;
    `rating_spread` is that of the ratings of one image, a mean over the images that were rated twice or more.
    """
    made = _of_episodes(episodes, table.total, "")
    made["rating_spread"] = _spread(episodes, num_generations)
    for name, column in table.columns.items():
        made |= {f"rewards/{name}/mean": _mean(column), f"rewards/{name}/std": _std(column)}
    tasks = [row.task for row in rows]
    for task in sorted(set(tasks)) if len(set(tasks)) > 1 else []:
        chosen = [place for place, name in enumerate(tasks) if name == task]
        made |= _of_episodes([episodes[place] for place in chosen], table.total[chosen], f"tasks/{task}/")
    return made


def reward_rows(episodes: Sequence[Episode], rows: Sequence[Row], table: RewardTable) -> Iterator[Mapping[str, Any]]:
    """What each rollout said and what it earned, so that every reward can be explained."""
    for place, (episode, row) in enumerate(zip(episodes, rows, strict=True)):
        texts = [turn.text for turn in episode.turns]
        yield {"image": episode.sample_id, "task": row.task, "texts": texts, **table.row(place)}


def _of_episodes(episodes: Sequence[Episode], total: Any, prefix: str) -> dict[str, float]:
    return {
        f"{prefix}reward": _mean(total),
        f"{prefix}reward_std": _std(total),
        f"{prefix}zoom_rate": float(np.mean([episode.zoomed for episode in episodes])),
        f"{prefix}unusable": float(np.mean([not any(turn.answer.usable for turn in item.turns) for item in episodes])),
        f"{prefix}completions/mean_length": float(
            np.mean([sum(turn.tokens for turn in item.turns) for item in episodes])
        ),
    }


def _spread(episodes: Sequence[Episode], num_generations: int) -> float:
    verdicts = [episode.verdict for episode in episodes]
    ratings = np.array([np.nan if turn is None else turn.answer.rating for turn in verdicts], float)
    return _mean(np.array([_std(group) for group in ratings.reshape(-1, num_generations)]))


def _mean(values: Any) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else float("nan")


def _std(values: Any) -> float:
    known = values[~np.isnan(values)]
    return float(known.std(ddof=1)) if len(known) > 1 else float("nan")
