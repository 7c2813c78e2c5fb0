"""The loss: as three papers' code gives it, as TRL gives it, and as its theorems say."""

import math
from collections import defaultdict
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from loupe.core.errors import ConfigError, DataError
from loupe.grpo.coverage import CoverageConfig, covariance, select_tokens
from loupe.grpo.loss import LossConfig, LossInputs, clipped, policy_loss

Rows = list[list[float]]

LOG_PROBS = [[-0.05, -1.2, -0.3, -2.5], [-0.1, -0.8, -3.0, -0.02]]
OLD = [[-0.15, -1.0, -0.35, -2.2], [-0.08, -0.95, -2.6, -0.05]]
REFERENCE = [[-0.4, -1.1, -0.5, -1.9], [-0.3, -0.6, -1.8, -0.25]]
FOUR_ROWS = [[-0.1, -0.9], [-0.2, -1.4], [-2.0, -0.3], [-0.6, -3.0]]
FOUR_OLD = [[-0.2, -0.7], [-0.1, -1.6], [-1.7, -0.35], [-0.9, -2.6]]
SHOWN = [[-0.2, -1.5, 0.0, -0.4, -0.9, 0.0], [-1.1, -0.3, -90.0, -2.0, -50.0, -50.0]]
SHOWN_OLD = [[-0.3, -1.3, -5.0, -0.45, -1.1, -5.0], [-0.9, -0.3, -1.0, -1.8, -1.0, -1.0]]
SHOWN_MASK = [[1, 1, 0, 1, 1, 0], [1, 1, 0, 1, 0, 0]]
SHOWN_ADVANTAGES = [[1.0, 1.0, 9.0, 1.0, 1.0, 9.0], [-0.5, -0.5, -9.0, -0.5, -9.0, -9.0]]
UNCLIPPED = LossConfig(clip_low=None, clip_high=None)


def doubles(values: Any) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@dataclass(frozen=True)
class Case:
    """A batch of the reference code of KL-Cov, and what it gives for it: with nothing held back (`bare`), with the clip
    of 0.2 instead (`clip`), and for each share of tokens the loss and the gradient."""

    log_probs: Rows
    old: Rows
    advantages: list[Any]
    mask: list[list[int]]
    bare: float
    clip: float
    share: float
    loss: float
    gradient: Rows
    fewer_share: float
    fewer_loss: float
    fewer_gradient: Rows
    coefficient: float = 1.0
    aggregation: str = "token"
    distance: float = 0.0


BASIC = Case(
    log_probs=LOG_PROBS,
    old=OLD,
    advantages=[0.9, -1.1],
    mask=[[1] * 4] * 2,
    bare=0.110337044,
    clip=0.128168038,
    share=0.25,
    loss=0.172837044,
    gradient=[
        [0.000668272, -0.09210721, -0.118267998, -0.08334205],
        [0.134777317, 0.159752208, -0.032830994, 0.141687498],
    ],
    fewer_share=0.002,
    fewer_loss=0.160337044,
    fewer_gradient=[
        [-0.124331728, -0.09210721, -0.118267998, -0.08334205],
        [0.134777317, 0.159752208, -0.032830994, 0.141687498],
    ],
    distance=0.15625,
)
ON_POLICY = replace(
    BASIC,
    old=LOG_PROBS,
    bare=0.1,
    clip=0.1,
    loss=0.1,
    gradient=[[-0.1125] * 4, [0.1375] * 4],
    fewer_loss=0.1,
    fewer_gradient=[[-0.1125] * 4, [0.1375] * 4],
    distance=0.0,
)
SHOWN_AND_PADDED = Case(
    log_probs=SHOWN,
    old=SHOWN_OLD,
    advantages=SHOWN_ADVANTAGES,
    mask=SHOWN_MASK,
    bare=-0.411120681,
    clip=-0.408063144,
    share=0.3,
    loss=-0.368263538,
    gradient=[
        [-0.015024417, -0.116961536, 0.0, -0.150181585, -0.174486108, 0.0],
        [0.058480768, 0.071428571, 0.0, -0.084376375, 0.0, 0.0],
    ],
    fewer_share=0.07,
    fewer_loss=-0.382549253,
    fewer_gradient=[
        [-0.157881559, -0.116961536, 0.0, -0.150181585, -0.174486108, 0.0],
        [0.058480768, 0.071428571, 0.0, -0.084376375, 0.0, 0.0],
    ],
    distance=0.135714286,
)
BY_SEQUENCE = Case(
    log_probs=LOG_PROBS,
    old=OLD,
    advantages=[0.7, -0.7],
    mask=[[1, 1, 1, 1], [1, 1, 0, 0]],
    bare=0.049706549,
    clip=0.049706549,
    share=0.34,
    loss=0.059081549,
    gradient=[
        [-0.034202455, -0.071638941, -0.029486221, -0.064821594],
        [0.171534768, 0.203320992, 0.0, 0.0],
    ],
    fewer_share=0.06,
    fewer_loss=0.055956549,
    fewer_gradient=[
        [-0.034202455, -0.071638941, -0.091986221, -0.064821594],
        [0.171534768, 0.203320992, 0.0, 0.0],
    ],
    coefficient=0.5,
    aggregation="sequence",
    distance=0.136666666,
)
FOUR = Case(
    log_probs=FOUR_ROWS,
    old=FOUR_OLD,
    advantages=[1.5, 0.4, -0.2, -1.7],
    mask=[[1] * 2] * 4,
    bare=0.007046667,
    clip=0.03715334,
    share=0.25,
    loss=0.069546667,
    gradient=[
        [-0.082219547, -0.153512016],
        [-0.045241871, -0.061070138],
        [0.018520455, 0.026281777],
        [0.286844996, 0.01744301],
    ],
    fewer_share=0.08,
    fewer_loss=0.057046667,
    fewer_gradient=[
        [-0.207219547, -0.153512016],
        [-0.045241871, -0.061070138],
        [0.018520455, 0.026281777],
        [0.286844996, 0.01744301],
    ],
    distance=0.20625,
)
CASES = {
    "basic": BASIC,
    "on-policy": ON_POLICY,
    "shown-and-padded": SHOWN_AND_PADDED,
    "by-sequence": BY_SEQUENCE,
    "four-rows": FOUR,
}


def inputs_of(case: Case, *, share: float | None = None) -> LossInputs:
    log_probs, advantages = doubles(case.log_probs).requires_grad_(), doubles(case.advantages)
    mask = torch.tensor(case.mask).bool()
    selected = None if share is None else select_tokens(log_probs, advantages, mask, fraction=share)
    return LossInputs(log_probs, doubles(case.old), advantages, mask, selected=selected)


def slope(inputs: LossInputs, config: LossConfig) -> torch.Tensor:
    (gradient,) = torch.autograd.grad(policy_loss(inputs, config).loss, inputs.log_probs)
    return gradient


def random_inputs(seed: int, *, dtype: torch.dtype = torch.float64) -> LossInputs:
    """Five rows of seven tokens, about a third of them masked, off-policy by about 0.3 nats, one row all masked."""
    generator = torch.Generator().manual_seed(seed)

    def draw() -> torch.Tensor:
        return torch.randn(5, 7, generator=generator, dtype=dtype)

    log_probs = -draw().abs()
    mask = torch.rand(5, 7, generator=generator) < 0.7
    mask[2] = False
    mask[:, 0] = torch.tensor([True, True, False, True, True])
    return LossInputs(
        log_probs.clone().requires_grad_(),
        log_probs + 0.3 * draw(),
        draw()[:, 0],
        mask,
        reference_log_probs=log_probs + 0.3 * draw(),
        selected=draw() > 0.8,
        entropies=draw().abs(),
    )


def rows_of(inputs: LossInputs, part: slice) -> LossInputs:
    names = ("log_probs", "old_log_probs", "advantages", "mask", "reference_log_probs", "selected", "entropies")
    return replace(inputs, **{name: getattr(inputs, name)[part] for name in names})


CONFIGS = {
    "clip": LossConfig(),
    "clip-higher-with-kl": LossConfig(clip_high=0.28, beta=0.1),
    "kl-cov": replace(UNCLIPPED, coverage=CoverageConfig(coefficient=1.0)),
    "kl-cov-to-the-reference": LossConfig(coverage=CoverageConfig(coefficient=0.5, target="reference", estimator="k3")),
    "clip-cov": LossConfig(1.0, 1.0, coverage=CoverageConfig(coefficient=1.0, rule="clip")),
    "all-by-sequence": LossConfig(
        beta=0.1, correct_kl=True, aggregation="sequence", coverage=CoverageConfig(coefficient=0.3)
    ),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=list(CONFIGS))
every_case = pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))


@every_case
def test_kl_cov_has_the_loss_and_the_gradient_of_the_reference_code(case: Case) -> None:
    coverage = CoverageConfig(coefficient=case.coefficient)
    config = replace(UNCLIPPED, aggregation=case.aggregation, coverage=coverage)
    for share, loss, gradient in (
        (case.share, case.loss, case.gradient),
        (case.fewer_share, case.fewer_loss, case.fewer_gradient),
    ):
        inputs = inputs_of(case, share=share)
        assert policy_loss(inputs, config).loss.item() == pytest.approx(loss, abs=1e-8)
        assert torch.allclose(slope(inputs, config), doubles(gradient), rtol=0, atol=1e-8)


@every_case
def test_without_coverage_it_is_the_plain_and_the_clipped_loss_of_that_code(case: Case) -> None:
    bare = replace(UNCLIPPED, aggregation=case.aggregation)
    assert policy_loss(inputs_of(case), bare).loss.item() == pytest.approx(case.bare, abs=1e-8)
    clip = LossConfig(aggregation=case.aggregation)
    assert policy_loss(inputs_of(case), clip).loss.item() == pytest.approx(case.clip, abs=1e-8)


@every_case
def test_single_precision_gives_the_same_to_six_digits(case: Case) -> None:
    double = inputs_of(case, share=case.share)
    single = replace(
        double,
        log_probs=double.log_probs.float(),
        old_log_probs=doubles(case.old).float(),
        advantages=double.advantages.float(),
    )
    coverage = CoverageConfig(coefficient=case.coefficient)
    config = replace(UNCLIPPED, aggregation=case.aggregation, coverage=coverage)
    found = policy_loss(single, config).loss
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(case.loss, abs=1e-6)


@every_case
def test_the_two_distances_make_up_the_mean_distance(case: Case) -> None:
    inputs = inputs_of(case, share=case.share)
    metrics = policy_loss(inputs, UNCLIPPED).metrics
    tokens, held = int(inputs.mask.sum()), metrics["coverage/tokens"].item()
    total = held * metrics["coverage/kl_selected"] + (tokens - held) * metrics["coverage/kl_rest"]
    assert total.item() / tokens == pytest.approx(case.distance, abs=2e-9)


def test_halves_of_a_batch_each_with_its_own_selection() -> None:
    config = replace(UNCLIPPED, coverage=CoverageConfig(coefficient=1.0))
    losses = []
    for rows in (slice(0, 2), slice(2, 4)):
        half = replace(
            FOUR, log_probs=FOUR_ROWS[rows], old=FOUR_OLD[rows], advantages=FOUR.advantages[rows], mask=[[1] * 2] * 2
        )
        losses.append(policy_loss(inputs_of(half, share=0.25), config).loss.item())
    assert losses == pytest.approx([-0.884087142, 1.048180476], abs=1e-8)
    assert sum(losses) / 2 == pytest.approx(0.082046667, abs=1e-8)


@pytest.mark.parametrize(
    ("estimator", "coefficient", "unclipped", "clip"),
    [
        ("k3", 0.01, 0.111805551, 0.129636544),
        ("k3", 1.0, 0.257187671, 0.275018664),
        ("k1", 0.01, 0.109274544, 0.127105538),
    ],
)
def test_the_chosen_tokens_may_be_held_to_the_reference(
    estimator: str, coefficient: float, unclipped: float, clip: float
) -> None:
    inputs = replace(inputs_of(BASIC, share=0.25), reference_log_probs=doubles(REFERENCE))
    coverage = CoverageConfig(coefficient=coefficient, target="reference", estimator=estimator)
    assert policy_loss(inputs, replace(UNCLIPPED, coverage=coverage)).loss.item() == pytest.approx(unclipped, abs=1e-8)
    assert policy_loss(inputs, LossConfig(coverage=coverage)).loss.item() == pytest.approx(clip, abs=1e-8)


def clip_cov(log_probs: Rows, old: Rows, *, advantage: float, share: float) -> tuple[LossInputs, LossConfig]:
    config = LossConfig(1.0, 1.0, coverage=CoverageConfig(coefficient=1.0, rule="clip", fraction=share))
    now, advantages, mask = doubles(log_probs).requires_grad_(), doubles([advantage, -advantage]), torch.ones(2, 4)
    free = ~clipped((now - doubles(old)).exp(), advantages, config)
    rest: dict[str, Any] = {"rule": "clip", "eligible": free, "generator": torch.Generator().manual_seed(0)}
    selected = select_tokens(now, advantages, mask, fraction=share, **rest)
    return LossInputs(now, doubles(old), advantages, mask, selected=selected), config


def test_clip_cov_drops_its_tokens_from_the_sum_and_not_from_the_count() -> None:
    now, old = [[-0.05, -1.2, -0.3, -6.0], [-0.1, -0.8, -7.0, -0.02]], [[*OLD[0][:3], -5.9], [*OLD[1][:2], -6.9, -0.05]]
    inputs, config = clip_cov(now, old, advantage=1.5, share=0.5)
    outputs = policy_loss(inputs, config)
    assert outputs.loss.item() == pytest.approx(0.594841396, abs=1e-8)
    assert outputs.metrics["coverage/tokens"].item() == 0.375 * 8
    assert (slope(inputs, config) == 0).nonzero().tolist() == [[0, 0], [0, 1], [0, 2]]


def test_clip_cov_without_a_candidate_is_the_clipped_loss() -> None:
    inputs, config = clip_cov(LOG_PROBS, OLD, advantage=0.3, share=0.0002)
    assert policy_loss(inputs, config).loss.item() == pytest.approx(0.004755619, abs=1e-8)
    assert policy_loss(inputs, LossConfig(1.0, 1.0)).loss.item() == pytest.approx(0.004755619, abs=1e-8)


@pytest.mark.parametrize(
    ("advantages", "beta", "loss"), [([1.0, -1.0], 0.001, 2.831e-5), ([0.9352, -0.2], 0.04, -0.36646795)]
)
def test_the_loss_that_q_insight_computes(advantages: list[float], beta: float, loss: float) -> None:
    inputs = LossInputs(
        doubles([[-0.5, -1.0, -0.2], [-0.3, -0.7, 0.0]]),
        None,
        doubles(advantages),
        torch.tensor([[1, 1, 1], [1, 1, 0]]),
        reference_log_probs=doubles([[-0.6, -0.9, -0.2], [-0.3, -1.2, 0.0]]),
    )
    outputs = policy_loss(inputs, LossConfig(beta=beta, aggregation="sequence"))
    # Its numbers were computed in single precision.
    assert outputs.loss.item() == pytest.approx(loss, abs=5e-8)
    assert outputs.metrics["kl"].item() == pytest.approx(0.02830072, abs=1e-7)


RANKED = LossInputs(
    doubles([[-0.2, -1.1, -0.05, -2.3], [-0.7, -0.01, -3.0, -0.4], [-0.15, -0.9, -0.6, -0.33]]),
    doubles([[-0.25, -1.1, -0.45, -2.3], [-0.7, -0.31, -2.7, -0.4], [-0.15, -0.95, -0.6, -0.3]]),
    doubles([0.9, -1.2, 0.3]),
    torch.tensor([[1, 1, 1, 0], [1, 1, 1, 1], [1, 1, 0, 0]]),
    reference_log_probs=doubles([[-0.22, -1.0, -0.05, -2.1], [-0.8, -0.02, -2.9, -0.1], [-0.1, -0.9, -0.75, -0.3]]),
)


@pytest.mark.parametrize(("on_policy", "loss"), [(False, -0.012472722), (True, 0.000232062)])
def test_the_loss_that_visualquality_r1_computes(on_policy: bool, loss: float) -> None:
    inputs = replace(RANKED, old_log_probs=None) if on_policy else RANKED
    outputs = policy_loss(inputs, LossConfig(beta=0.04, aggregation="sequence"))
    assert outputs.loss.item() == pytest.approx(loss, abs=1e-8)
    assert outputs.metrics["kl"].item() == pytest.approx(0.005801552, abs=1e-8)


def test_the_share_of_clipped_tokens_counts_those_that_pass_no_gradient() -> None:
    # Of nine tokens, (0, 2) has risen by 0.4 with A > 0 and (1, 2) has fallen by 0.3 with A < 0. Token (1, 1) has risen
    # by 0.3 with A < 0: it is out of bounds, and pulled back.
    metrics = policy_loss(RANKED, LossConfig(aggregation="sequence")).metrics
    assert metrics["clip_ratio"].item() == pytest.approx(2 / 9, abs=1e-7)
    inputs = replace(RANKED, log_probs=RANKED.log_probs.clone().requires_grad_())
    assert inputs.old_log_probs is not None
    out = clipped((inputs.log_probs - inputs.old_log_probs).exp(), inputs.advantages, LossConfig())
    assert out.nonzero().tolist() == [[0, 2], [1, 2]]
    assert (slope(inputs, LossConfig()) == 0)[inputs.mask.bool()].nonzero().flatten().tolist() == [2, 5]
    assert policy_loss(RANKED, UNCLIPPED).metrics["clip_ratio"].item() == 0.0


def test_either_bound_may_be_missing() -> None:
    ratio, advantages = doubles([[0.5, 2.0], [0.5, 2.0]]), doubles([1.0, -1.0])
    # Above is no bound for a negative advantage, below none for a positive one.
    assert clipped(ratio, advantages, LossConfig(0.2, None)).tolist() == [[False, False], [True, False]]
    assert clipped(ratio, advantages, LossConfig(None, 0.2)).tolist() == [[False, True], [False, False]]


def stock_loss(inputs: LossInputs, config: LossConfig, normaliser: float) -> torch.Tensor:
    """TRL's own loss, of a trainer that is no more than the settings that it reads."""
    from trl.trainer.grpo_trainer import GRPOTrainer

    accelerator = SimpleNamespace(
        num_processes=1, gather=lambda value: value, reduce=lambda value, reduction: value, sync_gradients=True
    )
    trainer: Any = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (inputs.log_probs, inputs.entropies, None),
        args=SimpleNamespace(use_bias_correction_kl=config.correct_kl, delta=None, steps_per_generation=1),
        accelerator=accelerator,
        model=SimpleNamespace(training=True),
        loss_type={"token": "dapo", "sequence": "grpo"}[config.aggregation],
        epsilon_low=config.clip_low,
        epsilon_high=config.clip_high,
        beta=config.beta,
        importance_sampling_level="token",
        top_entropy_quantile=1.0,
        off_policy_mask_threshold=None,
        use_vllm=False,
        aux_loss_enabled=False,
        _entropy_bonus_enabled=False,
        current_gradient_accumulation_steps=1,
        _metrics={"train": defaultdict(list)},
    )
    empty = torch.zeros(5, 0, dtype=torch.long)
    batch = {
        "prompt_ids": empty,
        "prompt_mask": empty,
        "completion_ids": inputs.mask.long(),
        "completion_mask": inputs.mask.long(),
        "advantages": inputs.advantages,
        "old_per_token_logps": inputs.old_log_probs,
        "ref_per_token_logps": inputs.reference_log_probs,
        "num_items_in_batch": torch.tensor(normaliser),
    }
    return GRPOTrainer._compute_loss(trainer, torch.nn.Identity(), batch)


@settings(max_examples=12)
@given(st.integers(0, 2**31), st.sampled_from([0.0, 0.1]), st.booleans(), st.booleans())
def test_loss_and_gradient_are_those_of_trl(seed: int, beta: float, correct: bool, on_policy: bool) -> None:
    inputs = replace(random_inputs(seed), normaliser=37.0)
    if on_policy:
        inputs = replace(inputs, old_log_probs=None)
    config = LossConfig(0.2, 0.28, beta=beta, correct_kl=correct)
    for ours, ourselves in (
        (config, inputs),
        (replace(config, aggregation="sequence"), replace(inputs, normaliser=None)),
    ):
        stock = stock_loss(inputs, ours, 37.0)
        assert policy_loss(ourselves, ours).loss.item() == pytest.approx(stock.item(), abs=1e-12)
        (gradient,) = torch.autograd.grad(stock, inputs.log_probs)
        assert torch.allclose(slope(ourselves, ours), gradient, rtol=0, atol=1e-12)


@every_config
@pytest.mark.parametrize("filler", [math.nan, math.inf, -math.inf, 1e9, -1e9])
def test_whatever_is_masked_reaches_neither_loss_nor_gradient(filler: float, config: LossConfig) -> None:
    plain = random_inputs(1)

    def fill(values: torch.Tensor | None) -> torch.Tensor:
        assert values is not None
        return values.detach().expand(5, 7).masked_fill(~plain.mask, filler)

    filled = replace(
        plain,
        log_probs=fill(plain.log_probs).requires_grad_(),
        old_log_probs=fill(plain.old_log_probs),
        advantages=fill(plain.advantages[:, None]),
        reference_log_probs=fill(plain.reference_log_probs),
        entropies=fill(plain.entropies),
    )
    wanted, found = policy_loss(plain, config), policy_loss(filled, config)
    assert math.isfinite(found.loss.item())
    assert torch.equal(found.loss, wanted.loss)
    assert torch.equal(slope(filled, config), slope(plain, config))
    assert not slope(filled, config)[~plain.mask].any()
    assert {name: value.item() for name, value in found.metrics.items()} == {
        name: value.item() for name, value in wanted.metrics.items()
    }


@every_config
@pytest.mark.parametrize("parts", [[slice(0, 2), slice(2, 5)], [slice(place, place + 1) for place in range(5)]])
def test_micro_batches_sum_to_the_whole(parts: list[slice], config: LossConfig) -> None:
    inputs = random_inputs(2)
    count = inputs.mask.sum() if config.aggregation == "token" else 5
    whole = policy_loss(inputs, config).loss.item()
    losses = [policy_loss(replace(rows_of(inputs, part), normaliser=count), config).loss for part in parts]
    assert sum(losses).item() == pytest.approx(whole, abs=1e-12)  # type: ignore[union-attr]
    (gradient,) = torch.autograd.grad(sum(losses), inputs.log_probs)  # type: ignore[arg-type]
    assert torch.allclose(gradient, slope(inputs, config), rtol=0, atol=1e-12)


@every_config
def test_the_order_of_rows_does_not_matter(config: LossConfig) -> None:
    inputs = random_inputs(3)
    order: Any = [3, 0, 4, 2, 1]
    moved = policy_loss(rows_of(inputs, order), config).loss.item()
    assert moved == pytest.approx(policy_loss(inputs, config).loss.item(), abs=1e-12)


@pytest.mark.parametrize("estimator", ["abs", "k3"])
def test_on_policy_the_old_policy_holds_nothing_back(estimator: str) -> None:
    inputs = replace(random_inputs(4), old_log_probs=None)
    coverage = CoverageConfig(coefficient=5.0, estimator=estimator)
    held, free = replace(UNCLIPPED, coverage=coverage), UNCLIPPED
    assert torch.equal(policy_loss(inputs, held).loss, policy_loss(inputs, free).loss)
    assert torch.equal(slope(inputs, held), slope(inputs, free))
    assert policy_loss(inputs, held).metrics["coverage/kl_selected"].item() == 0.0


def test_on_policy_k1_is_worth_nothing_and_pushes_every_chosen_token_alike() -> None:
    inputs = replace(random_inputs(4), old_log_probs=None, normaliser=1.0)
    held = replace(UNCLIPPED, coverage=CoverageConfig(coefficient=5.0, estimator="k1"))
    assert torch.equal(policy_loss(inputs, held).loss, policy_loss(inputs, UNCLIPPED).loss)
    assert inputs.selected is not None
    push = slope(inputs, held) - slope(inputs, UNCLIPPED)
    assert torch.allclose(push, 5.0 * (inputs.selected & inputs.mask).double(), rtol=0, atol=1e-12)


def test_on_policy_the_reference_holds_back_the_chosen_tokens_and_no_others() -> None:
    inputs = replace(random_inputs(4), old_log_probs=None, normaliser=1.0)
    held = replace(UNCLIPPED, coverage=CoverageConfig(coefficient=0.5, target="reference"))
    push = slope(inputs, held) - slope(inputs, UNCLIPPED)
    assert inputs.selected is not None
    assert inputs.reference_log_probs is not None
    side = (inputs.log_probs - inputs.reference_log_probs).sign()
    # Likelier than by the reference: a step down the gradient makes it less likely, and the other way round.
    assert torch.allclose(push, 0.5 * side * (inputs.selected & inputs.mask), rtol=0, atol=1e-12)


def test_the_corrected_kl_pulls_by_the_distance_itself() -> None:
    inputs = replace(random_inputs(5), old_log_probs=None, advantages=torch.zeros(5).double(), normaliser=1.0)
    assert inputs.reference_log_probs is not None
    distance = (inputs.log_probs - inputs.reference_log_probs) * inputs.mask
    corrected = slope(inputs, LossConfig(beta=0.3, correct_kl=True))
    assert torch.allclose(corrected, 0.3 * distance, rtol=0, atol=1e-12)
    plain = slope(inputs, LossConfig(beta=0.3))
    assert torch.allclose(plain, 0.3 * (1 - (-distance).exp()), rtol=0, atol=1e-12)


def test_a_row_without_tokens_is_a_sequence_of_loss_zero() -> None:
    inputs = LossInputs(
        doubles([[-1.0, -2.0], [-3.0, -4.0]]), None, doubles([2.0, 1.0]), torch.tensor([[1, 1], [0, 0]])
    )
    assert policy_loss(inputs, LossConfig(aggregation="sequence")).loss.item() == -1.0
    assert policy_loss(inputs, LossConfig(aggregation="token")).loss.item() == -2.0


@every_config
@pytest.mark.parametrize("normaliser", [None, 0.0, torch.tensor(0)])
def test_a_batch_without_tokens_has_loss_zero_and_no_gradient(normaliser: Any, config: LossConfig) -> None:
    inputs = random_inputs(6)
    inputs = replace(inputs, mask=torch.zeros_like(inputs.mask), normaliser=normaliser)
    outputs = policy_loss(inputs, config)
    assert outputs.loss.item() == 0.0
    assert not slope(inputs, config).any()
    assert {value.item() for value in outputs.metrics.values()} == {0.0}


def test_a_normaliser_below_one_is_taken_as_it_is() -> None:
    inputs = random_inputs(7)
    whole = policy_loss(replace(inputs, normaliser=1.0), LossConfig()).loss.item()
    assert policy_loss(replace(inputs, normaliser=0.25), LossConfig()).loss.item() == pytest.approx(
        4 * whole, rel=1e-12
    )


def test_metrics_are_the_figures_that_they_are_said_to_be() -> None:
    inputs = random_inputs(8)
    assert inputs.selected is not None
    assert inputs.entropies is not None
    assert inputs.old_log_probs is not None
    metrics = policy_loss(inputs, LossConfig(coverage=CoverageConfig(coefficient=1.0))).metrics
    held, distance = inputs.selected & inputs.mask, (inputs.log_probs - inputs.old_log_probs).abs()
    wanted = {
        "entropy": inputs.entropies[inputs.mask].mean(),
        "coverage/tokens": held.sum().double(),
        "coverage/covariance": covariance(inputs.log_probs, inputs.advantages, inputs.mask)[held].mean(),
        "coverage/kl_selected": distance[held].mean(),
        "coverage/kl_rest": distance[inputs.mask & ~held].mean(),
    }
    assert held.any()
    for name, value in wanted.items():
        assert metrics[name].item() == pytest.approx(value.item(), abs=1e-12)
    assert set(metrics) == {*wanted, "clip_ratio", "kl"}
    assert not any(value.requires_grad for value in metrics.values())


def test_the_covariance_may_be_that_of_the_whole_batch() -> None:
    inputs = random_inputs(9)
    assert inputs.selected is not None
    whole = covariance(inputs.log_probs, inputs.advantages, inputs.mask)
    part = rows_of(inputs, slice(0, 1))
    metrics = policy_loss(replace(part, covariances=whole[:1]), LossConfig()).metrics
    held = (inputs.selected & inputs.mask)[:1]
    assert held.any()
    assert metrics["coverage/covariance"].item() == pytest.approx(whole[:1][held].mean().item(), abs=1e-12)
    assert policy_loss(part, LossConfig()).metrics["coverage/covariance"].item() == 0.0


def test_metrics_that_nothing_was_given_for_are_left_out() -> None:
    inputs = replace(random_inputs(1), selected=None, entropies=None, reference_log_probs=None)
    assert set(policy_loss(inputs, LossConfig()).metrics) == {"clip_ratio"}


def test_a_selection_is_looked_at_though_nothing_is_held_back() -> None:
    inputs = random_inputs(1)
    outputs = policy_loss(inputs, LossConfig())
    assert torch.equal(outputs.loss, policy_loss(replace(inputs, selected=None), LossConfig()).loss)
    assert outputs.metrics["coverage/kl_selected"].item() > 0.05


@pytest.mark.parametrize(
    ("config", "match"),
    [
        (LossConfig(beta=0.1), "got beta and no log-probabilities of a reference"),
        (LossConfig(coverage=CoverageConfig(coefficient=1.0, target="reference")), "got the coverage target reference"),
    ],
)
def test_a_reference_that_is_not_there_is_an_error(config: LossConfig, match: str) -> None:
    with pytest.raises(ConfigError, match=match):
        policy_loss(replace(random_inputs(1), reference_log_probs=None), config)


def test_the_clip_rule_needs_no_reference() -> None:
    config = LossConfig(coverage=CoverageConfig(coefficient=1.0, rule="clip", target="reference"))
    inputs = replace(random_inputs(1), reference_log_probs=None)
    assert policy_loss(inputs, config).metrics["coverage/kl_selected"].item() > 0.05


def test_coverage_without_a_selection_is_an_error() -> None:
    with pytest.raises(ConfigError, match=r"a coverage coefficient and no selected tokens"):
        policy_loss(replace(random_inputs(1), selected=None), LossConfig(coverage=CoverageConfig(coefficient=1.0)))


def test_shapes_that_do_not_fit_are_an_error() -> None:
    inputs = random_inputs(1)
    with pytest.raises(DataError, match=r"got mask of shape \(5, 6\); wanted \(5, 7\)"):
        policy_loss(replace(inputs, mask=inputs.mask[:, :6]), LossConfig())


@pytest.mark.parametrize("fields", [{"aggregation": "row"}, {"clip_low": -0.1}, {"clip_high": -0.1}, {"beta": -1.0}])
def test_a_setting_that_is_none_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="wanted"):
        LossConfig(**fields)
