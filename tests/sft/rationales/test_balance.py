from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from loupe.sft.rationales.balance import balanced, cells_of


def crowd() -> tuple[list[str], list[float], list[bool]]:
    """100 easy items of rating 3.2, 10 hard ones of 1.2, 10 easy ones of 4.9."""
    ratings = [3.2] * 100 + [1.2] * 10 + [4.9] * 10
    hard = [False] * 100 + [True] * 10 + [False] * 10
    return [f"i{number:03d}" for number in range(120)], ratings, hard


def test_a_crowded_cell_keeps_a_multiple_of_the_median_cell():
    items, ratings, hard = crowd()
    kept = balanced(items, ratings, hard, bins=8, balance=2.0, seed=0)
    cells = Counter(cell for item, cell in zip(items, cells_of(ratings, hard, bins=8)) if item in kept)
    assert cells == {(False, 4): 20, (True, 0): 10, (False, 7): 10}


def test_no_balance_keeps_everything():
    items, ratings, hard = crowd()
    assert balanced(items, ratings, hard, bins=8, balance=0.0, seed=0) == set(items)
    assert balanced([], [], [], bins=8, balance=2.0, seed=0) == set()


@given(st.permutations(range(120)), st.integers(0, 5))
def test_who_stays_does_not_depend_on_the_order_of_the_items(order: list[int], seed: int):
    items, ratings, hard = crowd()
    shuffled = ([items[n] for n in order], [ratings[n] for n in order], [hard[n] for n in order])
    once = balanced(items, ratings, hard, bins=8, balance=2.0, seed=seed)
    assert balanced(*shuffled, bins=8, balance=2.0, seed=seed) == once


def test_another_seed_keeps_others():
    items, ratings, hard = crowd()
    assert len({frozenset(balanced(items, ratings, hard, bins=8, balance=1.0, seed=seed)) for seed in range(5)}) == 5
