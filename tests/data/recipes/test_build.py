"""Building a folder: nothing is dropped in silence, nothing is half written, and the same line goes on."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loupe.core.config import load_config
from loupe.core.errors import ConfigError, DataError, ImageError, MissingFileError
from loupe.core.files import read_json
from loupe.data.recipes.build import build
from loupe.data.recipes.recipe import Recipe

PLAIN = (
    "name: own\nreader: table\nlabels: ['labels.csv']\ncolumns: {image: image, mos: mos}\nscale_min: 1\nscale_max: 5\n"
)


@pytest.fixture
def own(release: Any, tmp_path: Path) -> Callable[..., Any]:
    """Builds a release of the plainest kind: labels.csv and images/; keyword `allow` is allow_missing."""
    (tmp_path / "own.yaml").write_text(PLAIN)
    rows = [f"{number}.png,{1 + number / 4}" for number in range(10)]
    release.text("labels.csv", "image,mos", *rows)
    release.images(*(f"images/{number}.png" for number in range(10)))

    def run(*overrides: str, allow: bool = False) -> Any:
        lines = [f"root={release.root}", f"out={release.out}", f"allow_missing={str(allow).lower()}", "workers=1"]
        return build(load_config(Recipe, tmp_path / "own.yaml", [*lines, *overrides]))

    return run


def test_a_whole_release_is_built_without_gaps(own: Callable[..., Any], release: Any) -> None:
    built = own()
    assert built.gaps == ""
    assert len(release.samples()) == 10
    assert not (release.out / "gaps.txt").exists()
    assert sum(row["images"] for row in built.manifest["splits"].values()) == 10


def test_a_missing_image_is_refused_and_listed(own: Callable[..., Any], release: Any) -> None:
    (release.root / "images/3.png").unlink()
    (release.root / "images/7.png").unlink()
    with pytest.raises(DataError, match=r"2 missing \(3\.png, 7\.png\).*gaps\.txt.*--allow-missing"):
        own()
    assert (release.out / "gaps.txt").read_text() == "missing\t3.png\nmissing\t7.png\n"
    assert not (release.out / "train.jsonl").exists()


def test_an_extra_image_is_refused_and_listed(own: Callable[..., Any], release: Any) -> None:
    release.images("images/unknown.png")
    with pytest.raises(DataError, match=r"1 extra \(images/unknown\.png\)"):
        own()


def test_what_a_list_of_a_part_leaves_over_is_listed_and_no_gap(own: Callable[..., Any], release: Any) -> None:
    release.images("images/unknown.png")
    built = own("part=true")
    assert built.gaps == ""
    assert (release.out / "gaps.txt").read_text() == "extra\timages/unknown.png\n"
    assert read_json(release.out / "manifest.json")["gaps"]["extra"] == 1
    (release.root / "images/3.png").unlink()
    with pytest.raises(DataError, match="1 missing"):
        own("part=true")


def test_gaps_can_be_gone_on_with_and_stay_in_the_manifest(own: Callable[..., Any], release: Any) -> None:
    (release.root / "images/3.png").unlink()
    release.images("images/unknown.png")
    built = own(allow=True)
    assert "1 missing" in built.gaps
    assert "1 extra" in built.gaps
    assert len(release.samples()) == 9
    gaps = read_json(release.out / "manifest.json")["gaps"]
    assert (gaps["missing"], gaps["extra"], gaps["first"]["missing"]) == (1, 1, ["3.png"])


def test_the_split_does_not_change_with_what_is_missing(own: Callable[..., Any], release: Any, tmp_path: Path) -> None:
    own()
    whole = {name: sample.split for name, sample in release.samples().items()}
    (release.root / "images/3.png").unlink()
    release.out = tmp_path / "again"
    own(f"out={release.out}", allow=True)
    assert {name: sample.split for name, sample in release.samples().items()} == {
        name: split for name, split in whole.items() if name != "3.png"
    }


def test_counts_that_are_not_those_of_the_release_are_refused(own: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match="10 rows where the release has 12"):
        own("expected.rows=12")
    with pytest.raises(DataError, match=r"opinions run from 1\.000 to 3\.250; in the release from 2 to 3\.25"):
        own("expected.mos=[2.0,3.25]")


def test_a_part_of_a_release_may_have_a_narrower_range_but_no_wider_one(own: Callable[..., Any]) -> None:
    with pytest.raises(DataError) as caught:
        own("expected.rows=12", "expected.mos=[1.0,5.0]")
    assert "opinions run" not in str(caught.value)


def test_opinions_outside_of_the_nominal_scale_are_refused(own: Callable[..., Any]) -> None:
    with pytest.raises(DataError, match=r"5 of 10 opinions lie outside of the nominal scale 1 to 2"):
        own("scale_max=2", allow=True)


def test_the_flavour_whose_scale_fits_is_named(own: Callable[..., Any], tmp_path: Path) -> None:
    text = PLAIN.replace("scale_min: 1\nscale_max: 5\n", "")
    forms = "flavours:\n  small: {labels: [labels.csv], scale_min: 0, scale_max: 1}\n"
    forms += "  big: {labels: [other.csv], scale_min: 0, scale_max: 100}\n"
    (tmp_path / "own.yaml").write_text(text.replace("labels: ['labels.csv']\n", "") + forms)
    with pytest.raises(DataError, match="that is the scale of flavour=big"):
        own(allow=True)


def test_an_image_that_comes_twice_is_named(own: Callable[..., Any], release: Any) -> None:
    with (release.root / "labels.csv").open("a") as stream:
        stream.write("4.png,3\n")
    with pytest.raises(DataError, match=r"4\.png comes twice"):
        own()


def test_images_are_hard_links_as_a_rule(own: Callable[..., Any], release: Any) -> None:
    own()
    assert (release.out / "images/1.png").samefile(release.root / "images/1.png")


def test_images_are_copies_where_they_are_asked_for(own: Callable[..., Any], release: Any) -> None:
    own("place=copy")
    made, source = release.out / "images/1.png", release.root / "images/1.png"
    assert made.read_bytes() == source.read_bytes()
    assert not made.samefile(source)


def test_labels_alone_need_no_image(own: Callable[..., Any], release: Any) -> None:
    for path in (release.root / "images").iterdir():
        path.unlink()
    own("place=none")
    assert len(release.samples()) == 10
    assert not (release.out / "images").exists()


def test_the_observed_range_can_be_asked_for(own: Callable[..., Any], release: Any) -> None:
    own("rating=observed")
    assert (release.samples()["0.png"].rating, release.samples()["9.png"].rating) == (1.0, 5.0)
    assert (release.samples()["9.png"].mos, release.samples()["9.png"].scale_max) == (3.25, 5.0)


def test_the_same_line_goes_on_and_keeps_what_is_there(own: Callable[..., Any], release: Any) -> None:
    own("place=copy")
    kept, lost = release.out / "images/1.png", release.out / "images/2.png"
    before = kept.stat().st_mtime_ns
    lost.unlink()
    (release.out / "images/3.png").write_bytes(b"half")
    (release.out / "train.jsonl").unlink()
    own("place=copy")
    assert kept.stat().st_mtime_ns == before
    assert lost.read_bytes() == (release.root / "images/2.png").read_bytes()
    assert (release.out / "images/3.png").read_bytes() == (release.root / "images/3.png").read_bytes()
    assert len(release.samples()) == 10


def test_a_folder_made_with_other_settings_is_refused(own: Callable[..., Any]) -> None:
    own()
    with pytest.raises(ConfigError, match="built by another recipe or other settings"):
        own("split.seed=7")


def test_a_damaged_picture_is_named_and_can_be_left_out_in_the_same_folder(
    own: Callable[..., Any], release: Any
) -> None:
    (release.root / "images/3.png").write_bytes(b"torn")
    with pytest.raises(ImageError, match=r"3\.png: is no image.*leave it out with \"drop=\{'3\.png': damaged\}\""):
        own("short_side=32")
    built = own("short_side=32", "drop={'3.png': damaged}")
    assert built.gaps == ""
    assert built.manifest["dropped"] == {"damaged": 1}
    assert len(release.samples()) == 9


def test_a_folder_with_pictures_of_another_size_is_refused(own: Callable[..., Any], release: Any) -> None:
    (release.root / "images/3.png").write_bytes(b"torn")
    with pytest.raises(ImageError):
        own("short_side=32")
    with pytest.raises(ConfigError, match="other settings"):
        own("short_side=48")


def test_a_folder_that_holds_something_else_is_refused(own: Callable[..., Any], release: Any) -> None:
    release.out.mkdir()
    (release.out / "diary.txt").write_text("mine")
    with pytest.raises(ConfigError, match="holds data that was not built here"):
        own()


def test_an_error_in_the_second_pass_leaves_no_half_of_a_label_file(
    own: Callable[..., Any], release: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: Any, **keywords: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("loupe.data.recipes.build.place", full)
    with pytest.raises(OSError, match="No space left"):
        own()
    assert sorted(path.name for path in release.out.iterdir()) == ["recipe.yaml"]


def test_a_link_that_leads_out_of_the_download_is_refused(
    own: Callable[..., Any], release: Any, tmp_path: Path
) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes((release.root / "images/1.png").read_bytes())
    (release.root / "images/1.png").unlink()
    (release.root / "images/1.png").symlink_to(secret)
    with pytest.raises(DataError, match="leads out of"):
        own()


def test_a_name_that_leads_upwards_is_refused(own: Callable[..., Any], release: Any) -> None:
    release.text("labels.csv", "image,mos", "../../secret.png,3")
    with pytest.raises(DataError, match="leads upwards"):
        own(allow=True)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("root=''",), "no root"),
        (("root=nowhere",), "no folder nowhere"),
        (("labels=['absent.csv']",), "no label file of own below .*; wanted absent.csv"),
        (("reader=tabel",), "got reader=tabel; wanted one of .*table"),
        (("columns.mos=rating",), "no column for mos \\(rating\\); the file has image, mos"),
        (("split.by=official",), "the split is None; wanted train, val, test"),
        (("flavour=big",), "has no flavour 'big'"),
        (("place=move",), "got place=move; wanted one of link, copy, none"),
        (("columns.opinion=mos",), "columns has 'opinion'; wanted image, mos"),
    ],
)
def test_a_wrong_setting_is_answered_in_one_line(
    own: Callable[..., Any], overrides: tuple[str, ...], words: str
) -> None:
    with pytest.raises((ConfigError, DataError, MissingFileError), match=words) as caught:
        own(*overrides)
    assert "\n" not in str(caught.value)


def test_a_field_set_beside_the_flavour_that_sets_it_is_refused(release: Any) -> None:
    with pytest.raises(
        ConfigError, match=r"scale_max is set beside flavour scores_and_sets.*set flavours\.scores_and_"
    ):
        release.build("koniq-10k", "scale_max=10")


def test_an_empty_list_is_refused(own: Callable[..., Any], release: Any) -> None:
    release.text("labels.csv", "image,mos")
    with pytest.raises(DataError, match="no rows are left"):
        own()


def test_ten_thousand_rows_with_images_are_built(own: Callable[..., Any], release: Any) -> None:
    release.text("labels.csv", "image,mos", *(f"many/{number}.png,3.5" for number in range(10_000)))
    source = (release.root / "images/1.png").read_bytes()
    (release.root / "many").mkdir()
    for number in range(10_000):
        (release.root / f"many/{number}.png").write_bytes(source)
    own("images=['many/*']")
    lines = [line for split in ("train", "val", "test") for line in (release.out / f"{split}.jsonl").open()]
    assert len(lines) == 10_000
    assert len({json.loads(line)["id"] for line in lines}) == 10_000
