"""Which tokens are held back: the rules of KL-Cov and Clip-Cov, and our own, on numbers that can be followed."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.core.config import load_config, to_yaml
from loupe.core.errors import ConfigError
from loupe.grpo.coverage import CoverageConfig, covariance, select_tokens

LOG_PROBS = torch.tensor([[-1.0, -2.0, -3.0], [-0.5, -1.5, -2.2]])
ADVANTAGES = torch.tensor([1.0, -0.5])
EVERY = torch.ones(2, 3, dtype=torch.bool)
BASIC = [[-0.05, -1.2, -0.3, -2.5], [-0.1, -0.8, -3.0, -0.02]]
FOUR_ROWS = [[-0.1, -0.9], [-0.2, -1.4], [-2.0, -0.3], [-0.6, -3.0]]
SHOWN = [[-0.2, -1.5, 0.0, -0.4, -0.9, 0.0], [-1.1, -0.3, -90.0, -2.0, -50.0, -50.0]]
SHOWN_MASK = [[1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 0, 0]]
SHOWN_ADVANTAGES = [[1.0, 1.0, 9.0, 1.0, 1.0, 9.0], [-0.5, -0.5, -9.0, -0.5, -9.0, -9.0]]
"""What lies where SHOWN_MASK is 0 would win if it were read."""


def doubles(values: list[Any]) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def places(selected: torch.Tensor) -> list[list[int]]:
    return selected.nonzero().tolist()


def chosen(
    fraction: float,
    *,
    log_probs: torch.Tensor = LOG_PROBS,
    advantages: torch.Tensor = ADVANTAGES,
    mask: torch.Tensor = EVERY,
    **options: Any,
) -> list[list[int]]:
    return places(select_tokens(log_probs, advantages, mask, fraction=fraction, **options))


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def random_batch(seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = draw(seed)
    log_probs = -3 * torch.rand(5, 7, generator=generator, dtype=torch.float64)
    advantages = torch.randn(5, generator=generator, dtype=torch.float64)
    return log_probs, advantages, torch.rand(5, 7, generator=generator) < 0.7


def test_six_tokens_worked_by_hand() -> None:
    # Means: A 0.25, log p -1.7. Covariances: 0.75 × (0.7, -0.3, -1.3) and -0.75 × (1.2, 0.2, -0.5),
    # that is (0.525, -0.225, -0.975) and (-0.9, -0.15, 0.375).
    expected = [[0.525, -0.225, -0.975], [-0.9, -0.15, 0.375]]
    found = covariance(LOG_PROBS, ADVANTAGES, EVERY)
    assert found.flatten().tolist() == pytest.approx([*expected[0], *expected[1]], abs=1e-6)
    assert chosen(1 / 6) == [[0, 0]]
    assert chosen(2 / 6) == [[0, 0], [1, 2]]
    assert chosen(3 / 6) == [[0, 0], [1, 1], [1, 2]]
    assert chosen(4 / 6) == [[0, 0], [0, 1], [1, 1], [1, 2]]


@pytest.mark.parametrize(
    ("log_probs", "advantages", "mask", "expected"),
    [
        (
            BASIC,
            [0.9, -1.1],
            [[1] * 4] * 2,
            [[0.94625, -0.20375, 0.69625, -1.50375], [-0.89625, -0.19625, 2.00375, -0.97625]],
        ),
        (
            SHOWN,
            SHOWN_ADVANTAGES,
            SHOWN_MASK,
            [
                [0.459183673, -0.376530612, 0.0, 0.330612245, 0.009183673, 0.0],
                [0.159183673, -0.526530612, 0.0, 0.930612245, 0.0, 0.0],
            ],
        ),
        (
            BASIC,
            [0.7, -0.7],
            [[1, 1, 1, 1], [1, 1, 0, 0]],
            [[0.361666667, -0.175, 0.245, -0.781666667], [-0.676666667, -0.023333333, 0.0, 0.0]],
        ),
        (
            FOUR_ROWS,
            [1.5, 0.4, -0.2, -1.7],
            [[1] * 2] * 4,
            [[1.44375, 0.24375], [0.345, -0.135], [0.1875, -0.1525], [-0.78625, 3.29375]],
        ),
    ],
    ids=["basic", "shown-and-padded", "unequal-lengths", "four-rows"],
)
def test_covariances_as_the_reference_code_gives_them(
    log_probs: list[list[float]], advantages: list[Any], mask: list[list[int]], expected: list[list[float]]
) -> None:
    found = covariance(doubles(log_probs), doubles(advantages), torch.tensor(mask))
    assert torch.allclose(found, doubles(expected), rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("log_probs", "advantages", "mask", "fraction", "expected"),
    [
        (BASIC, [0.9, -1.1], [[1] * 4] * 2, 0.25, [[0, 0], [1, 2]]),
        (BASIC, [0.9, -1.1], [[1] * 4] * 2, 0.002, [[1, 2]]),
        (SHOWN, SHOWN_ADVANTAGES, SHOWN_MASK, 0.3, [[0, 0], [1, 3]]),
        (SHOWN, SHOWN_ADVANTAGES, SHOWN_MASK, 0.07, [[1, 3]]),
        (BASIC, [0.7, -0.7], [[1, 1, 1, 1], [1, 1, 0, 0]], 0.34, [[0, 0], [0, 2]]),
        (BASIC, [0.7, -0.7], [[1, 1, 1, 1], [1, 1, 0, 0]], 0.06, [[0, 0]]),
        (FOUR_ROWS, [1.5, 0.4, -0.2, -1.7], [[1] * 2] * 4, 0.25, [[0, 0], [3, 1]]),
        (FOUR_ROWS, [1.5, 0.4, -0.2, -1.7], [[1] * 2] * 4, 0.08, [[3, 1]]),
    ],
)
def test_tokens_as_the_reference_code_selects_them(
    log_probs: list[list[float]],
    advantages: list[Any],
    mask: list[list[int]],
    fraction: float,
    expected: list[list[int]],
) -> None:
    selected = select_tokens(doubles(log_probs), doubles(advantages), torch.tensor(mask), fraction=fraction)
    assert places(selected) == expected


def test_halves_of_a_batch_select_other_tokens_than_the_whole() -> None:
    log_probs, advantages, mask = doubles(FOUR_ROWS), doubles([1.5, 0.4, -0.2, -1.7]), torch.ones(4, 2)
    halves = [select_tokens(log_probs[s], advantages[s], mask[s], fraction=0.25) for s in (slice(0, 2), slice(2, 4))]
    assert [places(half) for half in halves] == [[[1, 1]], [[1, 1]]]
    assert places(select_tokens(log_probs, advantages, mask, fraction=0.25)) == [[0, 0], [3, 1]]


def test_a_masked_token_is_not_chosen_and_does_not_enter_the_means() -> None:
    mask = EVERY.clone()
    mask[0, 0] = False
    # Means of the other five: A 0.1, log p -1.84. The largest is -0.6 × (-2.2 + 1.84) = 0.216, then comes
    # 0.9 × (-2 + 1.84) = -0.144, then -0.6 × (-1.5 + 1.84) = -0.204.
    assert chosen(1 / 5, mask=mask) == [[1, 2]]
    assert chosen(2 / 5, mask=mask) == [[0, 1], [1, 2]]


@pytest.mark.parametrize("rule", ["covariance", "confident", "clip"])
@pytest.mark.parametrize("filler", [math.nan, math.inf, -math.inf, 1e9])
def test_whatever_is_masked_is_never_read(filler: float, rule: str) -> None:
    log_probs, advantages, mask = random_batch(3)
    spread = advantages[:, None].expand(5, 7)
    rest = {"fraction": 0.2, "rule": rule, "band": (-1.0, 9.0)}
    plain = select_tokens(log_probs, advantages, mask, generator=draw(0), **rest)
    filled = select_tokens(
        log_probs.masked_fill(~mask, filler), spread.masked_fill(~mask, filler), mask, generator=draw(0), **rest
    )
    assert torch.equal(plain, filled)
    assert plain.any()
    assert not (plain & ~mask).any()
    found = covariance(log_probs.masked_fill(~mask, filler), spread.masked_fill(~mask, filler), mask)
    assert torch.equal(found, covariance(log_probs, advantages, mask))


def test_a_row_without_advantage_is_not_chosen_and_does_not_enter_the_means() -> None:
    log_probs = torch.cat([LOG_PROBS, torch.tensor([[0.0, -9.0, -9.0]])])
    advantages = torch.tensor([1.0, -0.5, 0.0])
    mask = torch.ones(3, 3, dtype=torch.bool)
    for count in range(1, 7):
        assert chosen(count / 6, log_probs=log_probs, advantages=advantages, mask=mask) == chosen(count / 6)


def test_a_row_of_a_live_group_counts_though_it_has_no_advantage() -> None:
    advantages, alive = torch.tensor([1.0, 0.0]), torch.tensor([True, True])
    # Means: A 0.5, log p -1.7. With the second row the covariances are 0.5 × (0.7, -0.3, -1.3) and
    # -0.5 × (1.2, 0.2, -0.5); without it the first row has nothing to differ from.
    assert chosen(2 / 6, advantages=advantages, alive=alive) == [[0, 0], [1, 2]]
    assert chosen(2 / 6, advantages=advantages) == []


def test_a_row_of_a_dead_group_is_left_out_whatever_its_advantage() -> None:
    advantages, alive = torch.tensor([1.0, -0.5, 7.0]), torch.tensor([True, True, False])
    log_probs = torch.cat([LOG_PROBS, torch.tensor([[-0.01, -0.02, -0.03]])])
    mask = torch.ones(3, 3)
    found = covariance(log_probs, advantages, mask, alive=alive)
    assert torch.equal(found[:2], covariance(LOG_PROBS, ADVANTAGES, EVERY))
    assert not found[2].any()
    for rule in ("covariance", "confident"):
        rest = {"log_probs": log_probs, "advantages": advantages, "mask": mask, "alive": alive}
        assert chosen(0.5, rule=rule, **rest) == chosen(0.5, rule=rule)


@pytest.mark.parametrize("shape", ["rows", "column", "tokens"])
def test_advantages_may_come_by_row_or_by_token(shape: str) -> None:
    column = ADVANTAGES[:, None]
    advantages = {"rows": ADVANTAGES, "column": column, "tokens": column.expand(2, 3)}[shape]
    assert chosen(2 / 6, advantages=advantages) == [[0, 0], [1, 2]]


@pytest.mark.parametrize("rule", ["covariance", "confident"])
def test_ties_go_to_the_token_that_comes_first(rule: str) -> None:
    log_probs = torch.tensor([[-1.0, -3.0, -1.0, -3.0], [-3.0, -1.0, -3.0, -1.0]])
    rest = {"log_probs": log_probs, "advantages": torch.tensor([1.0, -1.0]), "mask": torch.ones(2, 4)}
    # Covariances: (1, -1, 1, -1) and (1, -1, 1, -1).
    assert chosen(1 / 8, rule=rule, **rest) == [[0, 0]]
    assert chosen(2 / 8, rule=rule, **rest) == [[0, 0], [0, 2]]
    third = {"covariance": [1, 0], "confident": [0, 1]}[rule]
    assert chosen(3 / 8, rule=rule, **rest) == sorted([[0, 0], [0, 2], third])


@pytest.mark.parametrize("rule", ["covariance", "clip"])
@pytest.mark.parametrize("advantage", [0.7, -1.3])
def test_where_all_advantages_are_equal_nothing_is_driven_and_nothing_chosen(advantage: float, rule: str) -> None:
    advantages = torch.full((2,), advantage)
    rest: dict[str, Any] = {"rule": rule, "band": (-1.0, 1.0), "generator": draw(0)}
    assert chosen(0.5, advantages=advantages, **rest) == []
    assert not covariance(LOG_PROBS, advantages, EVERY).any()
    assert chosen(0.5, log_probs=torch.full((2, 3), -0.3), **rest) == []


@pytest.mark.parametrize("rule", ["covariance", "confident", "clip"])
@pytest.mark.parametrize("alive", [None, torch.ones(2, dtype=torch.bool)])
def test_no_advantage_anywhere_selects_nothing(alive: torch.Tensor | None, rule: str) -> None:
    rest = {"rule": rule, "alive": alive, "generator": draw(0), "band": (-1.0, 1.0)}
    assert chosen(1.0, advantages=torch.zeros(2), **rest) == []


@pytest.mark.parametrize("rule", ["covariance", "confident", "clip"])
def test_nothing_is_chosen_where_nothing_is_valid(rule: str) -> None:
    selected = select_tokens(LOG_PROBS, ADVANTAGES, ~EVERY, fraction=1.0, rule=rule, generator=draw(0))
    assert selected.shape == LOG_PROBS.shape
    assert not selected.any()


def test_at_least_one_token_is_chosen() -> None:
    assert chosen(1e-9) == [[0, 0]]
    assert chosen(1e-9, rule="confident") == [[0, 0]]
    assert len(chosen(1e-9, rule="clip", band=(-1.0, 1.0), generator=draw(0))) == 1


def test_the_confident_rule_takes_the_most_probable_tokens_of_what_did_well() -> None:
    log_probs = doubles([[-0.5, -0.1, -2.0], [-0.01, -0.02, -0.03], [-0.3, -4.0, -0.2]])
    rest = {"log_probs": log_probs, "advantages": torch.tensor([1.0, -0.1, 0.2]), "mask": torch.ones(3, 3)}
    assert chosen(1 / 9, rule="confident", **rest) == [[0, 1]]
    assert chosen(3 / 9, rule="confident", **rest) == [[0, 1], [2, 0], [2, 2]]
    # A share of all nine tokens, as many as there are in the six candidates.
    assert chosen(1.0, rule="confident", **rest) == [[0, 0], [0, 1], [0, 2], [2, 0], [2, 1], [2, 2]]


def test_the_confident_rule_works_where_every_completion_did_well() -> None:
    assert chosen(2 / 6, rule="confident", advantages=torch.ones(2)) == [[0, 0], [1, 0]]


CLIP_LOG_PROBS = [[-0.05, -1.2, -0.3, -6.0], [-0.1, -0.8, -7.0, -0.02]]
"""With advantages 1.5 and -1.5 the covariances are (2.83, 1.10, 2.45, -6.10) and (-2.75, -1.70, 7.60, -2.87)."""


@pytest.mark.parametrize("seed", range(5))
def test_the_clip_rule_draws_all_candidates_where_they_are_few(seed: int) -> None:
    selected = chosen(
        0.5,
        log_probs=doubles(CLIP_LOG_PROBS),
        advantages=doubles([1.5, -1.5]),
        mask=torch.ones(2, 4),
        rule="clip",
        generator=draw(seed),
    )
    assert selected == [[0, 0], [0, 1], [0, 2]]


def test_the_clip_rule_finds_nobody_where_advantages_are_small() -> None:
    rest = {"log_probs": doubles(BASIC), "advantages": doubles([0.3, -0.3]), "mask": torch.ones(2, 4)}
    assert chosen(0.0002, rule="clip", generator=draw(0), **rest) == []


def test_the_band_is_open_and_a_token_that_is_not_eligible_still_enters_the_means() -> None:
    # Means 0 and -2: covariances (1, -1) and (-1, 1), as long as all four count.
    rest: dict[str, Any] = {
        "log_probs": doubles([[-1.0, -3.0], [-1.0, -3.0]]),
        "advantages": doubles([1.0, -1.0]),
        "mask": torch.ones(2, 2),
        "rule": "clip",
        "generator": draw(0),
    }
    assert chosen(1.0, band=(1.0, 5.0), **rest) == []
    assert chosen(1.0, band=(0.0, 1.0), **rest) == []
    assert chosen(1.0, band=(0.99, 1.01), **rest) == [[0, 0], [1, 1]]
    eligible = torch.tensor([[False, True], [True, True]])
    assert chosen(1.0, band=(0.99, 1.01), eligible=eligible, **rest) == [[1, 1]]


def test_the_clip_rule_draws_evenly_and_by_its_generator_alone() -> None:
    log_probs = doubles([[-1.0, -1.0, -1.0, -1.0], [-3.0, -3.0, -3.0, -3.0]])
    rest: dict[str, Any] = {"fraction": 0.25, "rule": "clip", "band": (0.5, 1.5)}

    def select(generator: torch.Generator) -> torch.Tensor:
        return select_tokens(log_probs, doubles([1.0, -1.0]), torch.ones(2, 4), generator=generator, **rest)

    generator = draw(1)
    counts = torch.stack([select(generator) for _ in range(800)]).sum(0)
    # Two of eight, 800 times: 200 each, with a standard deviation of 12.
    assert counts.sum().item() == 1600
    assert counts.min().item() > 150
    assert counts.max().item() < 250
    before = torch.random.get_rng_state()
    assert torch.equal(select(draw(5)), select(draw(5)))
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_clip_rule_wants_a_generator() -> None:
    with pytest.raises(ConfigError, match=r"no generator for the coverage rule clip"):
        chosen(0.5, rule="clip")


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(ConfigError, match="'random'; wanted one of covariance, confident, clip"):
        chosen(0.5, rule="random")


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.floats(0.001, 1))
def test_only_valid_tokens_are_chosen_and_as_many_as_asked(seed: int, fraction: float) -> None:
    log_probs, advantages, mask = random_batch(seed)
    advantages[0] = 0.0
    valid = mask & (advantages != 0)[:, None]
    asked = max(1, int(fraction * int(valid.sum())))
    selected = select_tokens(log_probs, advantages, mask, fraction=fraction)
    assert not (selected & ~valid).any()
    assert int(selected.sum()) == asked
    good = valid & (advantages > 0)[:, None]
    selected = select_tokens(log_probs, advantages, mask, fraction=fraction, rule="confident")
    assert not (selected & ~good).any()
    assert int(selected.sum()) == min(asked, int(good.sum()))


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.permutations(range(5)), st.sampled_from(["covariance", "confident"]))
def test_rows_in_another_order_are_the_same_selection_in_that_order(seed: int, order: list[int], rule: str) -> None:
    log_probs, advantages, mask = random_batch(seed)
    selected = select_tokens(log_probs, advantages, mask, fraction=0.2, rule=rule)
    moved = select_tokens(log_probs[order], advantages[order], mask[order], fraction=0.2, rule=rule)
    assert torch.equal(moved, selected[order])


@settings(max_examples=20)
@given(st.integers(0, 2**31), st.integers(1, 4))
def test_padding_changes_nothing(seed: int, width: int) -> None:
    log_probs, advantages, mask = random_batch(seed)
    wider = select_tokens(
        torch.nn.functional.pad(log_probs, (0, width), value=-80.0),
        advantages,
        torch.nn.functional.pad(mask, (0, width)),
        fraction=0.2,
    )
    assert torch.equal(wider[:, :7], select_tokens(log_probs, advantages, mask, fraction=0.2))
    assert not wider[:, 7:].any()


@settings(max_examples=20)
@given(st.integers(0, 2**31))
def test_the_mean_is_the_covariance_of_log_probability_and_advantage(seed: int) -> None:
    log_probs, advantages, mask = random_batch(seed)
    pair = torch.stack([log_probs[mask], advantages[:, None].expand(5, 7)[mask]])
    found = covariance(log_probs, advantages, mask)[mask].mean().item()
    assert found == pytest.approx(torch.cov(pair, correction=0)[0, 1].item(), abs=1e-12)


def test_choosing_carries_no_gradient() -> None:
    log_probs = LOG_PROBS.clone().requires_grad_()
    assert not select_tokens(log_probs, ADVANTAGES, EVERY, fraction=0.5).requires_grad
    assert not covariance(log_probs, ADVANTAGES, EVERY).requires_grad


def test_a_config_comes_back_from_its_own_yaml(tmp_path: Path) -> None:
    file = tmp_path / "coverage.yaml"
    config = CoverageConfig(coefficient=0.1, rule="clip", target="reference", band=[0.5, 2.0])
    file.write_text(to_yaml(config))
    assert load_config(CoverageConfig, file) == config
    assert load_config(CoverageConfig).band == [1.0, 5.0]


@pytest.mark.parametrize(
    ("word", "match"),
    [
        ("rule=top", "the coverage rule 'top'; wanted one of covariance, confident, clip"),
        ("target=new", "the coverage target 'new'; wanted one of old, reference"),
        ("estimator=k2", "the coverage estimator 'k2'; wanted one of abs, k1, k3"),
        ("scope=rank", "the coverage scope 'rank'; wanted one of optimizer_batch, microbatch"),
        ("coefficient=-1", "coefficient -1.0; wanted a finite number of 0 or more"),
        ("coefficient=inf", "coefficient inf"),
        ("fraction=0", "fraction 0.0; wanted a share above 0 and up to 1"),
        ("fraction=1.5", "fraction 1.5"),
        ("band=[5,1]", r"band \[5.0, 1.0\]; wanted two numbers, the lower one first"),
        ("band=[1]", r"band \[1.0\]"),
    ],
)
def test_a_setting_that_is_none_is_refused(word: str, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        load_config(CoverageConfig, overrides=[word])
