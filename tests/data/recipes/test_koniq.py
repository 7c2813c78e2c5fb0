"""KonIQ-10k in miniature: two csv files, two scales, and the official split in one of them only."""

from pathlib import Path
from typing import Any

import pytest

from loupe.core.errors import DataError

SCORES = "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,MOS_zscore"
SETS = "image_name,c1,c2,c3,c4,c5,c_total,MOS,SD,set"
NAMES = ("10004473376.jpg", "10007357496.jpg", "100117038.jpg")


def put_scores(release: Any) -> None:
    """Means 3.0, 4.2 and 1.5 by the counts."""
    rows = ("0,1,8,1,0,10,3.0,0.4714,50.0", "0,0,1,6,3,10,4.2,0.6325,80.0", "5,5,0,0,0,10,1.5,0.527,12.0")
    release.text("koniq10k_scores_and_distributions.csv", SCORES, *map(",".join, zip(NAMES, rows, strict=True)))
    release.images(*(f"1024x768/{name}" for name in NAMES))


def put_sets(release: Any) -> None:
    rows = ("0,.1,.8,.1,0,10,50.5,0.5,training", "0,0,.1,.6,.3,10,88.0,0.4,validation", ".5,.5,0,0,0,10,12.0,1.0,test")
    release.text("koniq10k_distributions_sets.csv", SETS, *map(",".join, zip(NAMES, rows, strict=True)))
    release.images(*(f"1024x768/{name}" for name in NAMES))


def test_scores_with_sets_give_mos_on_five_points_and_the_official_split(release: Any) -> None:
    put_scores(release)
    put_sets(release)
    release.build("koniq-10k")
    found = release.samples()
    assert [found[name].split for name in NAMES] == ["train", "val", "test"]
    assert found[NAMES[0]].rating == found[NAMES[0]].mos == 3.0
    assert found[NAMES[0]].mos_std == 0.4714


def test_the_csv_with_sets_has_its_deviation_brought_to_the_scale_of_its_mos(release: Any) -> None:
    put_sets(release)
    release.build("koniq-10k")
    found = release.samples()[NAMES[0]]
    assert (found.mos, found.scale_min, found.scale_max) == (50.5, 1.0, 100.0)
    assert found.rating == pytest.approx(3.0)
    assert found.mos_std == pytest.approx(0.5 * 99 / 4)


def test_the_csv_with_scores_alone_is_split_by_draw(release: Any) -> None:
    put_scores(release)
    assert release.build("koniq-10k").manifest["flavour"] == "scores"
    assert sum(1 for _ in release.samples()) == 3


def test_the_z_score_can_be_asked_for(release: Any) -> None:
    put_scores(release)
    release.build("koniq-10k", "flavour=zscore")
    found = release.samples()[NAMES[0]]
    assert found.rating == pytest.approx(1 + 4 * 49 / 99)
    assert found.mos_std == pytest.approx(0.4714 * 99 / 4)


def test_a_mos_that_is_not_the_mean_of_its_counts_is_on_another_scale_and_refused(release: Any) -> None:
    put_scores(release)
    with pytest.raises(DataError, match=r"counts have the mean 3\.000 on 1-5.*flavour=zscore"):
        release.build("koniq-10k", "flavour=scores", "flavours.scores.columns.mos=MOS_zscore")


def test_an_image_without_an_official_set_is_refused(release: Any) -> None:
    put_scores(release)
    release.text("koniq10k_distributions_sets.csv", SETS, f"{NAMES[0]},0,0,1,0,0,10,50,0.5,training")
    with pytest.raises(DataError, match="is in no set of the second file"):
        release.build("koniq-10k")


def test_a_set_of_an_unknown_name_is_refused(release: Any) -> None:
    put_sets(release)
    path = Path(release.root) / "koniq10k_distributions_sets.csv"
    path.write_text(path.read_text().replace(",test", ",holdout"))
    with pytest.raises(DataError, match=r"'holdout'; wanted training, validation, test"):
        release.build("koniq-10k")


def test_counted_opinions_become_level_shares_best_first_where_they_are_asked_for(release: Any) -> None:
    put_scores(release)
    release.build("koniq-10k", "options.opinions=true")
    assert release.samples()[NAMES[1]].level_probs == pytest.approx((0.3, 0.6, 0.1, 0.0, 0.0))
