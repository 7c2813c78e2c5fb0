import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from loupe.bench.agent import Agents
from loupe.bench.choices import ALIKE, BETTER_A, BETTER_B
from loupe.bench.ranking.config import RankConfig
from loupe.bench.ranking.drawn import Scored, better_than, of_comparisons, of_rated_pairs, of_ratings, spread_of
from loupe.bench.ranking.outcomes import Compared, Outcomes, count_outcomes, order_agreement
from loupe.bench.ranking.page import write_rank_page
from loupe.bench.ranking.pairs import choose_pairs, linked
from loupe.bench.ranking.rank import rank
from loupe.bench.ranking.ranks import places, told_apart
from loupe.bench.ranking.records import Ranking
from loupe.bench.ranking.strength import bradley_terry, bradley_terry_spread, dispersion, thurstone
from loupe.core.answer import answer_of, render
from loupe.core.errors import ConfigError, DataError
from loupe.core.policy import Conversation
from loupe.zoom.scripted import ScriptedPolicy

ANSWER = "<think>\nI look.\n</think>\n<answer>\n{}\n</answer>"
COMPARES = RankConfig(model="given", by="comparisons", draws=200)


def grey(folder: Path, value: int) -> Path:
    """A flat picture; its brightness is what scripted agents go by."""
    path = folder / f"{value:03d}.png"
    Image.new("RGB", (24, 16), (value, value, value)).save(path)
    return path


def brightness(conversation: Conversation, place: int) -> int:
    return int(np.asarray(conversation.user_turns[0].images[place])[0, 0, 0])


def comparer(say: Callable[[int, int], str]) -> Agents:
    """An agent that is told the brightness of image A and of image B and says which one is better."""
    policy = ScriptedPolicy(lambda talk: ANSWER.format(say(brightness(talk, 0), brightness(talk, 1))))
    return Agents(policy, policy)


def truthful(a: int, b: int) -> str:
    return ALIKE if a == b else BETTER_A if a > b else BETTER_B


def rater(rate: Callable[[int, int], float]) -> Agents:
    """An agent that is told brightness and sample number, 0 for the greedy one."""

    def says(talk: Conversation) -> str:
        return render(answer_of("", rating=rate(brightness(talk, 0), int(talk.key.split("#")[1])), tool="final"))

    return Agents(ScriptedPolicy(says), ScriptedPolicy(says))


def names(ranking: Ranking) -> list[str]:
    return [Path(item.image).stem for item in ranking.pictures]


# Strengths


@pytest.mark.parametrize(("a", "b"), [(3.0, 1.0), (1.0, 7.0), (2.5, 0.5), (4.0, 4.0)])
def test_two_pictures_are_the_log_of_their_wins_apart(a: float, b: float):
    strengths = bradley_terry(np.array([[0.0, a], [b, 0.0]]), prior=0.0)
    assert strengths[0] - strengths[1] == pytest.approx(math.log(a / b), abs=1e-7)
    assert strengths.sum() == pytest.approx(0.0, abs=1e-9)


def test_three_pictures_whose_wins_follow_known_strengths_get_them_back():
    true = np.array([1.0, 0.2, -1.2])
    chance = 1.0 / (1.0 + np.exp(true[None, :] - true[:, None]))
    assert bradley_terry(chance * (1.0 - np.eye(3)), prior=0.0) == pytest.approx(true, abs=1e-6)


def test_a_picture_that_never_loses_has_no_strength_without_a_prior_and_a_finite_one_with_it():
    wins = np.array([[0.0, 2.0], [0.0, 0.0]])
    with pytest.raises(DataError, match="never lose"):
        bradley_terry(wins, prior=0.0)
    first, second = bradley_terry(wins)
    assert 0.5 < first - second < 5.0


def test_the_prior_matters_less_the_more_was_compared():
    gaps = [np.ptp(bradley_terry(size * np.array([[0.0, 3.0], [1.0, 0.0]]))) for size in (1.0, 10.0, 100.0)]
    assert gaps[0] < gaps[1] < gaps[2] < math.log(3.0)
    assert gaps[2] == pytest.approx(math.log(3.0), abs=0.01)


def test_a_cycle_leaves_all_equal():
    wins = np.array([[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])
    assert bradley_terry(wins) == pytest.approx(np.zeros(3), abs=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(2, 7), st.integers(0, 10_000))
def test_names_do_not_matter_and_swapped_outcomes_turn_the_scale(n: int, seed: int):
    rng = np.random.default_rng(seed)
    wins = rng.integers(0, 4, (n, n)) * (1.0 - np.eye(n))
    order = rng.permutation(n)
    strengths = bradley_terry(wins)
    assert bradley_terry(wins[np.ix_(order, order)]) == pytest.approx(strengths[order], abs=1e-5)
    assert bradley_terry(wins.T) == pytest.approx(-strengths, abs=1e-5)


def test_thurstone_gets_back_strengths_that_many_comparisons_follow():
    true = np.array([0.6, 0.0, -0.6])
    rng = np.random.default_rng(0)
    compared = [
        Compared(first, second, BETTER_A if rng.normal() < true[first] - true[second] else BETTER_B)
        for first, second in [(0, 1), (1, 2), (2, 0)] * 100
    ]
    mean, covariance = thurstone(count_outcomes(compared, pictures=3))
    assert mean == pytest.approx(true, abs=0.25)
    # 200 comparisons a picture: about 1 / sqrt(200 * .6) each.
    assert np.sqrt(np.diag(covariance)) == pytest.approx([0.075] * 3, abs=0.025)


def test_thurstone_leaves_numpy_s_global_generator_as_it_was():
    np.random.seed(3)
    before = np.random.get_state()[1]
    thurstone(count_outcomes([Compared(0, 1, BETTER_A), Compared(0, 1, ALIKE)], pictures=2))
    assert (np.random.get_state()[1] == before).all()


# Counting


def test_alike_is_half_a_win_for_both_and_the_order_shown_does_not_matter():
    compared = [
        Compared(0, 1, BETTER_A),
        Compared(1, 0, BETTER_B),
        Compared(0, 1, ALIKE),
        Compared(1, 2, None),
    ]
    outcomes = count_outcomes(compared, pictures=3)
    assert (outcomes.pairs, outcomes.wins.tolist()) == (((0, 1),), [[2.5, 0.5]])
    assert (outcomes.answers, outcomes.unusable) == (4, 1)
    assert outcomes.matrix().tolist() == [[0, 2.5, 0], [0.5, 0, 0], [0, 0, 0]]


def test_the_agreement_of_both_orders_is_over_pairs_shown_in_both_and_an_unusable_answer_agrees_with_nothing():
    same, other = [Compared(0, 1, BETTER_A), Compared(1, 0, BETTER_B)], [Compared(1, 2, BETTER_A)]
    assert order_agreement(same) == 1.0
    assert order_agreement([*same, *other, Compared(2, 1, BETTER_A)]) == 0.5
    assert order_agreement([*same, *other, Compared(2, 1, None)]) == 0.5
    assert order_agreement([Compared(1, 2, None), Compared(2, 1, None)]) == 0.0
    assert order_agreement(other) is None


# Pairs


def test_a_small_folder_has_all_its_pairs():
    assert choose_pairs(4) == [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)]
    assert len(choose_pairs(20)) == 190
    assert len(choose_pairs(60)) == 300


@settings(max_examples=50, deadline=None)
@given(st.integers(2, 40), st.integers(0, 200), st.integers(0, 99))
def test_any_budget_links_all_pictures_with_that_many_different_pairs(n: int, more: int, seed: int):
    pairs = choose_pairs(n, budget=n - 1 + more, seed=seed)
    assert len(set(pairs)) == len(pairs) == min(n - 1 + more, n * (n - 1) // 2)
    assert all(0 <= first < second < n for first, second in pairs)
    assert linked(n, pairs) == 1


def test_a_budget_that_cannot_link_all_is_refused():
    with pytest.raises(ConfigError, match="got 3 for 8 pictures; at least 7 link them all"):
        choose_pairs(8, budget=3)


def test_groups_are_counted():
    assert linked(5, [(0, 1), (3, 4)]) == 3
    assert linked(3, []) == 3


# Draws and ranks


def test_the_interval_of_a_mean_is_student_s():
    # Spread 1, four ratings: t of 3 degrees of freedom, 3.182 / 2 at 97.5 %.
    ratings = [3.0 + np.array([-1.0, -1.0, 1.0, 1.0]) * math.sqrt(3 / 4)]
    scored = of_ratings([item.tolist() for item in ratings], draws=40_000, seed=0)
    (place,) = places(scored)
    assert place.interval is not None
    assert place.interval == pytest.approx((3.0 - 1.591, 3.0 + 1.591), abs=0.06)


def test_an_interval_of_ratings_ends_where_the_scale_does():
    (place,) = places(of_ratings([[5.0, 4.5]], draws=500, seed=0))
    assert place.interval is not None and place.interval[1] == 5.0 and place.interval[0] >= 1.0


def test_a_picture_with_one_rating_borrows_the_spread_of_the_others():
    spreads, freedom = spread_of([[1.0, 3.0], [2.0], [4.0, 4.0]])
    assert spreads == pytest.approx([math.sqrt(2.0), 1.0, 0.0])
    assert freedom.tolist() == [1.0, 2.0, 1.0]


def test_without_a_second_rating_anywhere_nothing_is_drawn():
    assert len(of_ratings([[2.0], [3.0]], draws=100, seed=0).draws) == 0


def test_the_covariance_of_two_pictures_is_the_inverse_of_what_is_known_of_their_difference():
    outcomes = count_outcomes([Compared(0, 1, BETTER_A), Compared(1, 0, BETTER_A)], pictures=2)
    strengths, covariance = bradley_terry_spread(outcomes)
    assert strengths == pytest.approx([0.0, 0.0], abs=1e-9)
    # The information about their difference is 2 / 4 from two comparisons of equals, and 1 / 8 by way of the average
    # picture (1 / 4 and 1 / 4 in a row): a variance of 1.6, a quarter of it each. One pair may be one answer: times 2.
    assert covariance == pytest.approx(2.0 * 0.4 * np.array([[1.0, -1.0], [-1.0, 1.0]]))


def test_the_covariance_is_the_inverse_of_the_curvature_of_the_likelihood():
    outcomes = count_outcomes(
        [*[Compared(0, 1, BETTER_A)] * 3, Compared(1, 2, BETTER_B), Compared(2, 0, ALIKE)], pictures=3
    )
    strengths, covariance = bradley_terry_spread(outcomes)

    def loss(x: np.ndarray) -> float:
        wins = np.zeros((4, 4))
        wins[:3, :3], wins[:3, 3], wins[3, :3] = outcomes.matrix(), 0.5, 0.5
        return float((wins * np.logaddexp(0.0, x[None, :] - x[:, None])).sum())

    def curvature(x: np.ndarray, step: float = 1e-3) -> np.ndarray:
        moves = step * np.eye(3, 4)
        signs = ((1, 1), (1, -1), (-1, 1), (-1, -1))
        return np.array([[sum(a * b * loss(x + a * u + b * v) for a, b in signs) for v in moves] for u in moves]) / (
            4 * step**2
        )

    # With the average picture held, the others' differences have the variance that they have without.
    found = np.append(strengths, min(np.linspace(-1, 1, 4001), key=lambda t: loss(np.append(strengths, t))))
    inverse, centre = np.linalg.inv(curvature(found)), np.eye(3) - 1.0 / 3.0
    assert covariance == pytest.approx(centre @ inverse @ centre * dispersion_of(outcomes, strengths), rel=2e-2)


def dispersion_of(outcomes: Outcomes, strengths: np.ndarray) -> float:
    first, second = np.array(outcomes.pairs).T
    return dispersion(outcomes, 1.0 / (1.0 + np.exp(strengths[second] - strengths[first])))


def test_an_agent_that_repeats_itself_scatters_as_many_times_as_it_does_and_one_that_does_not_never_less_than_once():
    pairs, rng = choose_pairs(40), np.random.default_rng(0)
    half = np.full(len(pairs), 0.5)
    won = [rng.random() < 0.5 for _ in pairs]
    both = [[(a, b, x), (b, a, not x)] for (a, b), x in zip(pairs, won, strict=True)]
    again = count_outcomes(
        [Compared(a, b, BETTER_A if x else BETTER_B) for pair in both for a, b, x in pair], pictures=40
    )
    assert dispersion(again, half) == 2.0
    by_place = count_outcomes([Compared(a, b, BETTER_A) for pair in both for a, b, _ in pair], pictures=40)
    assert dispersion(by_place, half) == 1.0
    assert dispersion(count_outcomes([Compared(0, 1, BETTER_A)] * 3, pictures=2), np.array([0.8])) == 3.0


def test_a_picture_without_an_answer_is_the_one_of_which_least_is_known():
    compared = [Compared(a, b, BETTER_A) for a, b in choose_pairs(5) for _ in range(2)]
    found = places(of_comparisons(count_outcomes(compared, pictures=6), draws=400, seed=0, fit="bradley-terry"))
    widths = {item.item: item.interval[1] - item.interval[0] for item in found if item.interval}
    assert max(widths, key=lambda item: widths[item]) == 5 and widths[5] > 5.0


def test_ranks_over_draws_are_counted_and_equals_share_the_better_one():
    draws = np.array([[3.0, 2.0, 1.0]] * 6 + [[2.0, 3.0, 1.0]] * 3 + [[2.0, 2.0, 1.0]])
    first, second, third = places(Scored(np.array([3.0, 2.0, 1.0]), draws))
    assert first.shares == ((1, 0.7), (2, 0.3))
    assert second.shares == ((1, 0.4), (2, 0.6))
    assert (third.ranks, third.not_apart) == ((3, 3), ())
    assert (first.not_apart, second.not_apart) == ((1,), (0,))


def test_neighbours_that_are_many_are_all_found():
    draws = np.random.default_rng(0).normal(size=(50, 200))
    draws[:, 150:] -= 20.0
    found = places(Scored(draws.mean(axis=0), draws))
    assert {len(item.not_apart or ()) for item in found[:150]} == {149}
    assert {item.item for item in found[:150]} - {found[3].item} == set(found[3].not_apart or ())
    assert {len(item.not_apart or ()) for item in found[150:]} == {49}


def test_copies_are_never_told_apart_and_a_clear_difference_always_is():
    draws = np.random.default_rng(0).normal(size=1000)
    assert not told_apart(draws, draws)
    assert told_apart(draws + 1.0, draws)
    assert not told_apart(draws, draws + 1.0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(1, 5, width=32), min_size=1, max_size=8), st.integers(0, 99))
def test_shares_of_ranks_make_a_whole_and_ranks_follow_scores(scores: list[float], seed: int):
    values = np.array(scores)
    made = places(Scored(values, values + np.random.default_rng(seed).normal(size=(50, len(values)))))
    assert sorted(item.item for item in made) == list(range(len(values)))
    assert [item.score for item in made] == sorted((item.score for item in made), reverse=True)
    for item in made:
        assert item.shares is not None and item.ranks is not None
        assert sum(share for _, share in item.shares) == pytest.approx(1.0)
        assert item.ranks[0] <= item.ranks[1]


def test_intervals_of_ratings_hold_the_truth_about_as_often_as_they_say():
    rng, held = np.random.default_rng(0), list[bool]()
    for seed in range(100):
        true = rng.uniform(2, 4, 8)
        ratings = [rng.normal(mean, 0.3, 4).tolist() for mean in true]
        found = places(of_ratings(ratings, draws=400, seed=seed))
        held += [item.interval[0] <= true[item.item] <= item.interval[1] for item in found if item.interval]
    # 800 intervals: 95 % give or take 2.3 points, three standard errors.
    assert np.mean(held) == pytest.approx(0.95, abs=0.025)


@pytest.mark.parametrize(
    ("fit", "repeats", "least"),
    [
        ("bradley-terry", False, 0.92),
        ("bradley-terry", True, 0.91),
        ("thurstone", False, 0.92),
        ("thurstone", True, 0.85),
    ],
)
def test_intervals_of_strengths_hold_the_truth_about_as_often_as_they_say(fit: str, repeats: bool, least: float):
    rng, held = np.random.default_rng(0), list[bool]()
    noise = rng.logistic if fit == "bradley-terry" else rng.normal
    for seed in range(50):
        true = rng.normal(0, 1, 8)
        true -= true.mean()
        compared = list[Compared]()
        for first, second in choose_pairs(8):
            once, again = true[first] - true[second] > noise(size=2)
            compared.append(Compared(first, second, BETTER_A if once else BETTER_B))
            # The same words in the other order are no second witness.
            compared.append(Compared(second, first, BETTER_B if (once if repeats else again) else BETTER_A))
        scored = of_comparisons(count_outcomes(compared, pictures=8), draws=300, seed=seed, fit=fit)
        held += [item.interval[0] <= true[item.item] <= item.interval[1] for item in places(scored) if item.interval]
    assert least <= np.mean(held) <= 0.985


# Rated pairs


def test_the_chance_of_being_better_is_phi_of_the_difference_over_both_spreads():
    chance = better_than(np.array([3.0, 2.0]), np.array([0.5, 0.5]))
    # Phi(1) = .8413.
    assert chance == pytest.approx(np.array([[0.0, 0.8413], [0.1587, 0.0]]), abs=1e-4)


def test_rated_pairs_keep_the_order_of_the_means_where_spreads_are_equal():
    ratings = [[value - 0.2, value + 0.2] for value in (2.0, 4.0, 3.0)]
    scored = of_rated_pairs(ratings, draws=20, seed=0)
    assert np.argsort(-scored.scores).tolist() == [1, 2, 0]
    assert scored.draws.shape == (20, 3)


# The whole


def test_a_truthful_comparer_recovers_the_order(tmp_path: Path):
    values = [40, 200, 90, 10, 160, 70, 230]
    ranking = rank([grey(tmp_path, value) for value in values], COMPARES, agents=comparer(truthful))
    assert names(ranking) == [f"{value:03d}" for value in sorted(values, reverse=True)]
    assert [item.rank for item in ranking.pictures] == [1, 2, 3, 4, 5, 6, 7]
    assert dict(ranking.counts) == {
        "pairs": 21, "comparisons": 42, "unusable": 0, "same_in_both_orders": 1.0, "groups": 1,
    }  # fmt: skip


def test_thurstone_recovers_the_order_too(tmp_path: Path):
    config = RankConfig(model="given", by="comparisons", fit="thurstone", draws=100)
    ranking = rank([grey(tmp_path, value) for value in (90, 10, 200, 30)], config, agents=comparer(truthful))
    assert names(ranking) == ["200", "090", "030", "010"]
    assert "noise of one comparison" in ranking.unit


def test_a_comparer_that_always_names_image_a_ranks_nothing(tmp_path: Path):
    ranking = rank([grey(tmp_path, v) for v in (10, 20, 30)], COMPARES, agents=comparer(lambda a, b: BETTER_A))
    assert [item.rank for item in ranking.pictures] == [1, 1, 1]
    assert ranking.counts["same_in_both_orders"] == 0.0


def test_noise_makes_ranks_uncertain_and_leaves_the_far_ends_apart(tmp_path: Path):
    rng = np.random.default_rng(1)

    def noisy(a: int, b: int) -> str:
        return truthful(a, b) if rng.random() < 0.75 else truthful(b, a)

    ranking = rank([grey(tmp_path, 20 * value) for value in range(1, 11)], COMPARES, agents=comparer(noisy))
    spans = [item.ranks[1] - item.ranks[0] for item in ranking.pictures if item.ranks]
    assert len(spans) == 10 and np.mean(spans) > 1.0
    assert ranking.pictures[0].image not in (ranking.pictures[-1].not_apart or ())


def test_samples_beyond_the_first_are_drawn_and_counted(tmp_path: Path):
    config = RankConfig(model="given", by="comparisons", samples=3, draws=0)
    agents = comparer(truthful)
    drawing = ScriptedPolicy(lambda talk: ANSWER.format("no idea"))
    ranking = rank([grey(tmp_path, v) for v in (10, 20)], config, agents=Agents(agents.greedy, drawing))
    assert (ranking.counts["comparisons"], ranking.counts["unusable"]) == (6, 4)
    assert names(ranking) == ["020", "010"]
    assert {len(call) for call in drawing.seen} == {4}


def test_unusable_answers_that_cut_the_folder_in_two_are_said(tmp_path: Path):
    def silent_across(a: int, b: int) -> str:
        return truthful(a, b) if (a < 100) == (b < 100) else "both are nice"

    ranking = rank([grey(tmp_path, v) for v in (10, 20, 200, 210)], COMPARES, agents=comparer(silent_across))
    assert ranking.counts["groups"] == 2 and ranking.counts["unusable"] == 8
    assert "2 groups that no comparison links" in ranking.notes[0]


def test_no_choice_at_all_is_an_error_that_says_what_to_do(tmp_path: Path):
    with pytest.raises(DataError, match="none of 2 answers was a choice"):
        rank([grey(tmp_path, v) for v in (10, 20)], COMPARES, agents=comparer(lambda a, b: "both"))


def test_copies_are_one_picture_and_a_bad_file_is_a_problem(tmp_path: Path):
    first, second = grey(tmp_path, 10), grey(tmp_path, 50)
    copy, bad = tmp_path / "copy.png", tmp_path / "bad.png"
    copy.write_bytes(first.read_bytes())
    bad.write_text("no picture")
    agents = comparer(truthful)
    ranking = rank([first, second, copy, bad, tmp_path / "gone.png"], COMPARES, agents=agents)
    assert names(ranking) == ["050", "010"]
    assert ranking.pictures[1].copies == (str(copy),)
    assert [Path(name).name for name, _ in ranking.problems] == ["bad.png", "gone.png"]
    assert isinstance(agents.greedy, ScriptedPolicy) and sum(map(len, agents.greedy.seen)) == 2


def test_one_picture_is_the_first_and_nobody_is_asked(tmp_path: Path):
    agents = comparer(truthful)
    ranking = rank([grey(tmp_path, 10)], COMPARES, agents=agents)
    assert [(item.rank, item.score, item.ranks) for item in ranking.pictures] == [(1, 0.0, None)]
    assert "nothing to compare" in ranking.notes[0]
    assert isinstance(agents.greedy, ScriptedPolicy) and agents.greedy.calls == 0
    rated = rank([grey(tmp_path, 10)], RankConfig(draws=50), agents=rater(lambda value, number: 3.0))
    assert [(item.rank, item.score, item.ranks) for item in rated.pictures] == [(1, 3.0, (1, 1))]


def test_no_readable_picture_at_all_is_a_ranking_of_none(tmp_path: Path):
    for by in ("ratings", "comparisons", "rated-pairs"):
        ranking = rank([tmp_path / "gone.png"], RankConfig(model="given", by=by), agents=comparer(truthful))
        assert (ranking.pictures, len(ranking.problems)) == ((), 1)


def test_a_reference_is_shown_with_every_pair(tmp_path: Path):
    reference = grey(tmp_path, 77)
    config = RankConfig(model="given", by="comparisons", reference=str(reference), draws=0)
    agents = comparer(truthful)
    ranking = rank([grey(tmp_path, v) for v in (10, 20)], config, agents=agents)
    assert ranking.protocol == "compare-reference"
    assert isinstance(agents.greedy, ScriptedPolicy)
    for talk in agents.greedy.seen[0]:
        shown = [int(np.asarray(image)[0, 0, 0]) for image in talk.user_turns[0].images]
        assert sorted(shown) == [10, 20, 77]


def test_ratings_rank_by_their_mean_with_the_spread_as_interval(tmp_path: Path):
    wobble = (0.0, 0.2, -0.2, 0.0)
    agents = rater(lambda value, number: round(1.0 + value / 64 + wobble[number], 2))
    ranking = rank([grey(tmp_path, v) for v in (64, 192, 128, 130)], RankConfig(), agents=agents)
    assert names(ranking) == ["192", "130", "128", "064"]
    assert ranking.pictures[0].score == pytest.approx(4.0)
    assert [item.not_apart for item in ranking.pictures if item.image.endswith(("192.png", "064.png"))] == [(), ()]
    assert ranking.pictures[1].not_apart == (ranking.pictures[2].image,)
    assert ranking.near(ranking.pictures[1]) == "3"
    assert ranking.counts["ratings"] == 16


def test_one_rating_a_picture_ranks_without_intervals_and_says_so(tmp_path: Path):
    agents = rater(lambda value, number: 1.0 + value / 64)
    ranking = rank([grey(tmp_path, v) for v in (64, 128)], RankConfig(samples=1), agents=agents)
    assert [item.interval for item in ranking.pictures] == [None, None]
    assert "not known" in ranking.notes[0]


def test_a_picture_that_nobody_rates_is_a_problem(tmp_path: Path):
    silent = ScriptedPolicy(lambda talk: "hm")
    ranking = rank([grey(tmp_path, 10)], RankConfig(), agents=Agents(silent, silent))
    assert ranking.pictures == () and "no usable answer" in ranking.problems[0][1]


def test_the_stages_of_the_work_are_told_one_after_the_other(tmp_path: Path):
    told: list[tuple[int, int, str]] = []
    paths = [grey(tmp_path, value) for value in (10, 20, 30)]
    rank(paths, COMPARES, agents=comparer(truthful), progress=lambda *step: told.append(step))
    assert list(dict.fromkeys(what for *_, what in told)) == ["reading", "comparing"]
    assert [step for step in told if step[0] == step[1]] == [
        (3, 3, "reading"),
        (6, 6, "comparing"),
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"by": "votes"}, "wanted one of ratings, comparisons, rated-pairs"),
        ({"by": "comparisons"}, "pocket-agent learnt to rate one picture at a time"),
        ({"pairs": 3}, "pairs is for comparisons"),
        ({"reference": "x.png"}, "reference is for comparisons"),
        ({"fit": "thurstone"}, "fit thurstone is for comparisons"),
        ({"by": "rated-pairs", "samples": 1}, "needs the spread"),
        ({"fast": True, "samples": 3}, "fast gives one rating a picture"),
        ({"fast": True, "by": "rated-pairs"}, "fast gives one rating a picture"),
        ({"seed": -1}, "seed: got -1"),
        ({"draws": 1}, "draws: got 1; the ends of an interval take 40"),
    ],
)
def test_settings_that_cannot_be_are_refused(words: dict[str, object], message: str):
    with pytest.raises(ConfigError, match=message):
        RankConfig(**words)  # type: ignore[arg-type]


def test_a_protocol_that_asks_for_something_else_is_refused(tmp_path: Path):
    with pytest.raises(ConfigError, match="needs a choice"):
        rank([tmp_path], RankConfig(model="given", by="comparisons", protocol="score"), agents=comparer(truthful))
    with pytest.raises(ConfigError, match="needs a rating"):
        rank([tmp_path], RankConfig(protocol="compare"), agents=comparer(truthful))
    with pytest.raises(ConfigError, match="shows a reference; give it"):
        config = RankConfig(model="given", by="comparisons", protocol="compare-reference")
        rank([tmp_path], config, agents=comparer(truthful))


def test_the_page_escapes_names_and_shows_a_thumbnail_a_picture(tmp_path: Path):
    evil = tmp_path / "<b>&.png"
    evil.write_bytes(grey(tmp_path, 10).read_bytes())
    (tmp_path / "<i>.png").write_text("no picture")
    config = RankConfig(model="<u>m", by="comparisons", draws=50)
    ranking = rank(
        [evil, grey(tmp_path, 50), grey(tmp_path, 90), tmp_path / "<i>.png"], config, agents=comparer(truthful)
    )
    write_rank_page(ranking, tmp_path / "page.html")
    text = (tmp_path / "page.html").read_text()
    assert not any(tag in text for tag in ("<b>", "<i>", "<u>"))
    assert text.count('src="data:image/png;base64,') == 3
    assert text.index("090.png") < text.index("050.png") < text.index("&lt;b&gt;")
    assert "Not ranked" in text
