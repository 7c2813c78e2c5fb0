"""Each known trap is named where it is met, and only there."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from loupe.core.records import Sample
from loupe.data.audit.by_dataset import Rated
from loupe.data.audit.finding import Finding, Status
from loupe.data.audit.folder import Seen
from loupe.data.audit.recognise import recognise
from loupe.data.audit.traps.known import TRAPS, check_traps

Rows = Callable[..., list[Sample]]
Rate = Callable[[Sequence[Sample]], Rated]

RNG = np.random.default_rng(0)
KADID_STDS = np.sqrt(RNG.uniform(0.18, 1.59, 60)).tolist()
"""Deviations in the range of KADID-10k's."""
MOS_5 = np.linspace(1.1, 4.9, 60).tolist()
MOS_100 = np.linspace(4.0, 88.0, 60).tolist()


def met(samples: Sequence[Sample], rated: Rate, seen: Seen | None = None) -> dict[str, Finding]:
    """Traps that were met, by their name."""
    found = check_traps(rated(samples), seen or Seen(tuple(samples)))
    return {item.name.removeprefix("trap: "): item for item in found if item.status is not Status.OK}


def with_stds(samples: Sequence[Sample], stds: Sequence[float], dataset: str) -> list[Sample]:
    return [replace(row, mos_std=std, dataset=dataset) for row, std in zip(samples, stds, strict=True)]


def called(samples: Sequence[Sample], names: Sequence[str], dataset: str) -> list[Sample]:
    return [replace(row, image=name, dataset=dataset) for row, name in zip(samples, names, strict=True)]


def test_koniq_with_mos_to_100_and_deviations_to_5_is_named(rows: Rows, rated: Rate):
    stds = RNG.uniform(0.3, 1.1, 60).tolist()
    wide = rows(MOS_100, scale_min=0.0, scale_max=100.0)
    found = met(with_stds(wide, stds, "koniq-10k"), rated)
    assert found["KonIQ's two scales"].status is Status.FAIL
    assert "SD on 1..5" in found["KonIQ's two scales"].found
    assert not met(with_stds(wide, [25 * std for std in stds], "koniq-10k"), rated)
    assert not met(with_stds(rows(MOS_5), stds, "koniq-10k"), rated)


def test_koniq_with_mos_to_100_on_a_scale_to_5_is_named(rows: Rows, rated: Rate):
    samples = [replace(row, dataset="KonIQ10k", scale_max=5.0) for row in rows(MOS_100, scale_max=100.0)]
    assert "KonIQ's two scales" in met(samples, rated)


def votes(rows: Rows, count: int, *, seed: int = 1) -> tuple[list[Sample], list[float]]:
    """Rows of KADID as released: means of 30 whole votes to two decimals, and their deviations to three."""
    drawn = np.clip(np.random.default_rng(seed).normal(MOS_5[:: 60 // count][:count], 1, (30, count)).round(), 1, 5)
    samples = [replace(row, dataset="kadid-10k") for row in rows(drawn.mean(axis=0).round(2).tolist())]
    return samples, drawn.std(axis=0).round(3).tolist()


def test_kadids_variance_column_is_named_and_its_root_is_not(rows: Rows, rated: Rate):
    samples, column = votes(rows, 12)
    inside = [std for std in column if 0.42 < std < 1.263]
    assert len(inside) == 12, "the range alone must not decide"
    (found,) = met(with_stds(samples, column, "kadid-10k"), rated).values()
    assert found.status is Status.WARN
    assert "`var` as they stand (100.0 % are deviations of 30 whole votes" in found.found
    assert not met(with_stds(samples, [std**0.5 for std in column], "kadid-10k"), rated)


def test_kadids_variance_column_is_named_by_its_range_where_means_were_rescaled(rows: Rows, rated: Rate):
    variances = [std**2 for std in KADID_STDS]
    assert list(met(with_stds(rows(MOS_5), variances, "kadid-10k"), rated)) == ["KADID's variance column"]
    assert not met(with_stds(rows(MOS_5), KADID_STDS, "kadid-10k"), rated)


def test_kadid_as_lower_is_better_is_named(rows: Rows, rated: Rate):
    samples = with_stds(rows(MOS_5, higher_is_better=False), KADID_STDS, "kadid-10k")
    assert list(met(samples, rated)) == ["KADID's dmos is higher for better"]


def test_kadid_is_known_by_its_files_whatever_the_data_set_is_called(rows: Rows, rated: Rate):
    names = [f"images/I{n // 5 + 1:02d}_07_{n % 5 + 1:02d}.png" for n in range(60)]
    samples = with_stds(called(rows(MOS_5), names, "mine"), [std**2 for std in KADID_STDS], "mine")
    assert list(met(samples, rated)) == ["KADID's variance column"]


def test_the_seven_training_images_of_live_in_the_wild_are_named(rows: Rows, rated: Rate):
    names = [f"images/t{n}.bmp" for n in range(1, 8)] + [f"images/{n}.bmp" for n in range(3, 56)]
    samples = called(rows(MOS_100, scale_max=100.0), names, "livec")
    (found,) = met(samples, rated).values()
    assert (found.status, found.examples[0]) == (Status.FAIL, "images/t1.bmp")
    assert found.found.startswith("7 of the 7")
    assert not met(samples[7:], rated)


def test_a_list_of_1169_rows_of_live_in_the_wild_is_named_whatever_its_files_are_called(rows: Rows, rated: Rate):
    samples = [replace(row, dataset="clive") for row in rows(np.linspace(3, 92, 1169).tolist(), scale_max=100.0)]
    assert "LIVE in the Wild's seven training images" in met(samples, rated)
    assert not met(samples[7:], rated)


def test_a_csiq_list_without_blur_is_named(rows: Rows, rated: Rate):
    kinds = ("AWGN", "BLUR", "contrast", "fnoise", "JPEG", "jpeg2000")
    names = [f"images/{n}.{kinds[n % 6]}.1.png" for n in range(60)]
    samples = called(rows(np.linspace(0, 1, 60).tolist(), scale_min=0.0, scale_max=1.0), names, "csiq")
    assert not met(samples, rated)
    (found,) = met([row for row in samples if "BLUR" not in row.image], rated).values()
    assert (found.status, "none of them with blur" in found.found) == (Status.WARN, True)
    assert not met([row for row in samples if "AWGN" in row.image], rated)


def test_reference_copies_in_a_live_list_are_named_by_their_opinion_or_their_bytes(
    rows: Rows, rated: Rate, look: Callable[..., Seen], picture: Callable[..., Image.Image]
):
    scale = {"scale_min": 0.0, "scale_max": 100.0, "higher_is_better": False}
    samples = [replace(row, dataset="live") for row in rows([20.0, 30.0, 40.0], **scale)]
    assert not met(samples, rated)
    assert list(met([replace(samples[0], mos=0.0, rating=5.0), *samples[1:]], rated)) == [
        "LIVE lists with reference copies"
    ]
    copied = [replace(row, reference="ref.png") for row in samples]
    files = {"0.png": picture(1), "1.png": picture(2), "2.png": picture(3), "ref.png": picture(2)}
    (found,) = met(copied, rated, look(copied, files)).values()
    assert found.examples == ("1.png",)


def test_a_live_list_of_982_rows_is_named(rows: Rows, rated: Rate):
    scale = {"scale_min": 0.0, "scale_max": 100.0, "higher_is_better": False}
    samples = [replace(row, dataset="LIVE") for row in rows(np.linspace(1, 99, 982).tolist(), **scale)]
    assert "LIVE lists with reference copies" in met(samples, rated)
    assert not met(samples[:779], rated)


def test_soft_levels_of_tid2013_are_named(rows: Rows, rated: Rate):
    samples = [replace(row, dataset="tid2013") for row in rows(MOS_5, scale_min=0.0, scale_max=9.0)]
    assert not met(samples, rated)
    soft = [replace(samples[0], level_probs=(0.1, 0.2, 0.4, 0.2, 0.1)), *samples[1:]]
    assert met(soft, rated)["TID2013's std is not Gaussian"].status is Status.FAIL


def test_spaq_deviations_on_another_scale_fail_and_others_warn(rows: Rows, rated: Rate):
    stds = RNG.uniform(1, 46, 60).tolist()
    assert met(with_stds(rows(MOS_5), stds, "spaq"), rated)["SPAQ's std from elsewhere"].status is Status.FAIL
    wide = with_stds(rows(MOS_100, scale_max=100.0), stds, "spaq")
    assert met(wide, rated)["SPAQ's std from elsewhere"].status is Status.WARN
    assert not met([replace(row, mos_std=None) for row in wide], rated)


def test_pipals_elo_ratings_on_0_to_1_fail_and_rescaled_ones_warn(rows: Rows, rated: Rate):
    elo = np.linspace(900, 1850, 60).tolist()
    declared = [replace(row, dataset="pipal", scale_min=0.0, scale_max=1.0) for row in rows(elo)]
    assert met(declared, rated)["PIPAL's Elo scale"].status is Status.FAIL
    observed = [replace(row, dataset="pipal") for row in rows(elo, scale_min=900.0, scale_max=1850.0)]
    assert not met(observed, rated)
    rescaled = [replace(row, dataset="pipal") for row in rows(MOS_5)]
    assert met(rescaled, rated)["PIPAL's Elo scale"].status is Status.WARN


def test_agiqas_raw_deviations_beside_stretched_opinions_are_named(rows: Rows, rated: Rate):
    stds = RNG.uniform(0.108, 1.452, 60).tolist()
    stretched = with_stds(rows(MOS_100, scale_min=0.0, scale_max=100.0), stds, "agiqa-3k")
    assert met(stretched, rated)["AGIQA's std on the raw scale"].status is Status.FAIL
    assert not met(with_stds(rows(MOS_5, scale_min=0.0), stds, "agiqa-3k"), rated)


@pytest.mark.parametrize(
    ("dataset", "key"),
    [
        ("KonIQ-10k", "koniq"),
        ("koniq10k-512", "koniq"),
        ("CLIVE", "livec"),
        ("LIVE-Wild", "livec"),
        ("live", "live"),
        ("LIVE R2", "live"),
        ("AGIQA_3K", "agiqa"),
        ("livefbpatches", None),
        ("tidy", None),
        ("synthetic", None),
    ],
)
def test_data_sets_are_recognised_by_name(dataset: str, key: str | None, rows: Rows):
    assert recognise(dataset, rows([1.0, 2.0])) == key


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (["i01_01_1.bmp", "I25_24_5.BMP"], "tid2013"),
        (["1600.AWGN.1.png", "sunset.jpeg2000.5.png"], "csiq"),
        (["A0002_00_00.bmp", "A0199_06_31.png"], "pipal"),
        (["AttnGAN_normal_000.jpg", "DALLE2_001.jpg", "sd1.5_highcorr_010.jpg"], None),
        (["photo_01_01.png", "I01_01_01.png"], None),
    ],
)
def test_data_sets_are_recognised_by_their_files(names: list[str], key: str | None, rows: Rows):
    assert recognise("mine", called(rows([3.0] * len(names)), names, "mine")) == key


def test_every_known_trap_is_reported_also_where_it_is_not_met(rows: Rows, rated: Rate):
    assert sum(len(traps) for traps in TRAPS.values()) == 10
    (found,) = check_traps(rated([replace(row, dataset="koniq") for row in rows(MOS_5)]), Seen(()))
    assert (found.name, found.status) == ("trap: KonIQ's two scales", Status.OK)
