"""The drawn split: exact in its shares, the same in any order, and never through a group."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from loupe.data.recipes.split import Deck, group_hash


def drawn(groups: Sequence[str], *, shares: Sequence[float] = (0.6, 0.2, 0.2), seed: int = 42) -> dict[str, str]:
    deck = Deck(seed=seed)
    for group in groups:
        deck.add(group)
    deck.cut(shares)
    return {group: deck.split_of(group) for group in groups}


def test_the_81_originals_of_kadid_are_parted_49_16_16() -> None:
    splits = drawn([f"I{number:02d}" for number in range(1, 82)])
    assert Counter(splits.values()) == {"train": 49, "val": 16, "test": 16}


@given(st.sets(st.text(max_size=6), min_size=1, max_size=60), st.integers(0, 5))
def test_counts_are_the_rounded_shares_of_the_groups(groups: set[str], seed: int) -> None:
    counts = Counter(drawn(sorted(groups), seed=seed).values())
    ends = np.round(np.array([0.6, 0.8, 1.0]) * len(groups)).astype(int)
    assert [counts[split] for split in ("train", "val", "test")] == np.diff([0, *ends]).tolist()


@given(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=40), st.randoms())
def test_the_order_and_number_of_rows_do_not_matter(groups: list[str], random: object) -> None:
    turned = list(groups)
    random.shuffle(turned)  # type: ignore[attr-defined]
    assert drawn(groups) == drawn([*turned, *turned])


def test_another_seed_draws_another_split() -> None:
    groups = [f"I{number:02d}" for number in range(81)]
    assert drawn(groups, seed=1) != drawn(groups, seed=2)
    assert group_hash("a", seed=1) != group_hash("a", seed=2)


def test_a_share_of_zero_gets_nothing() -> None:
    assert set(drawn(["a", "b", "c"], shares=(0.0, 0.0, 1.0)).values()) == {"test"}
    assert set(drawn(["a", "b", "c"], shares=(1.0, 0.0, 0.0)).values()) == {"train"}
