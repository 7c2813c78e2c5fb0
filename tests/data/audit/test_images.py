"""Checks of files: broken, missing and odd ones, copies and near-copies, leaked references, direction of ratings."""

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from loupe.core.records import Sample
from loupe.data.audit.by_dataset import Rated
from loupe.data.audit.direction import check_direction
from loupe.data.audit.exact import check_exact
from loupe.data.audit.facts import perceptual_hash
from loupe.data.audit.finding import NAMED, Status, named
from loupe.data.audit.folder import Seen
from loupe.data.audit.leakage import check_leakage
from loupe.data.audit.near import Alike, check_near, tally
from loupe.data.audit.pictures import check_files, check_sizes

Picture = Callable[..., Image.Image]
Rate = Callable[[list[Sample]], Rated]
Look = Callable[..., Seen]


def sample(name: str, split: str = "train", **fields: object) -> Sample:
    return Sample(name, f"{name}.png", "made", split, 3.0, 3.0, **fields)  # type: ignore[arg-type]


def test_missing_and_broken_files_and_paths_that_lead_out_fail_by_name(look: Look, picture: Picture):
    rows = [sample("good"), sample("gone"), sample("broken"), replace(sample("out"), image="../../secret.png")]
    found = check_files(look(rows, {"good.png": picture(1), "broken.png": b"no picture"}))
    assert found.status is Status.FAIL
    assert (found.numbers["images"], found.numbers["missing"], found.numbers["undecodable"]) == (4, 2, 1)
    assert [line.split(":")[0] for line in found.examples] == ["../../secret.png", "broken.png", "gone.png"]
    assert "leads out of" in found.examples[0]
    assert "is no image that can be read" in found.examples[1]
    assert "No such file" in found.examples[2]


def test_a_reference_that_is_not_there_fails_too(look: Look, picture: Picture):
    found = check_files(look([sample("a", reference="ref.png")], {"a.png": picture(1)}))
    assert (found.status, found.numbers["references_missing"], found.numbers["missing"]) == (Status.FAIL, 1, 0)


def test_images_that_decode_are_fine(look: Look, picture: Picture):
    seen = look([sample("a")], {"a.png": picture(1)})
    assert (check_files(seen).status, check_sizes(seen).status) == (Status.OK, Status.OK)


@pytest.mark.parametrize(
    ("size", "why"),
    [((60, 90), "under 64"), ((400, 90), "over 4 times as long"), ((500, 420), "larger than usual")],
)
def test_thumbnails_strips_and_giants_among_others_warn(size: tuple[int, int], why: str, look: Look, picture: Picture):
    files = {f"{n}.png": picture(n) for n in range(4)} | {"odd.png": picture(9, size=size)}
    found = check_sizes(look([sample(name.removesuffix(".png")) for name in files], files))
    assert (found.status, found.numbers["odd"]) == (Status.WARN, 1)
    assert why in found.examples[0]


def test_equal_bytes_across_splits_fail_and_inside_a_split_warn(look: Look, picture: Picture):
    files = {"a.png": picture(1), "b.png": picture(1), "c.png": picture(2)}
    inside = check_exact(look([sample("a"), sample("b"), sample("c")], files))
    assert (inside.status, inside.numbers["groups"], inside.numbers["images"]) == (Status.WARN, 1, 2)
    across = check_exact(look([sample("a"), sample("b", "test"), sample("c")], files))
    assert (across.status, across.numbers["groups_across"]) == (Status.FAIL, 1)
    assert across.examples == ("a.png (train) = b.png (test)",)
    assert across.pairs[0].exact


def test_one_file_that_two_splits_name_is_a_duplicate(look: Look, picture: Picture):
    rows = [sample("a"), replace(sample("b", "test"), image="a.png")]
    assert check_exact(look(rows, {"a.png": picture(1)})).status is Status.FAIL


def test_equal_undamaged_versions_of_one_reference_are_expected_unless_their_ratings_differ(
    look: Look, picture: Picture
):
    files = {"a.png": picture(1), "b.png": picture(1)}
    rows = [sample("a", ref_id="r"), sample("b", ref_id="r")]
    assert check_exact(look(rows, files)).status is Status.OK
    found = check_exact(look([rows[0], replace(rows[1], rating=3.5)], files))
    assert (found.status, found.numbers["largest_rating_difference"]) == (Status.WARN, 0.5)
    assert check_exact(look([rows[0], replace(rows[1], split="test")], files)).status is Status.FAIL


def test_files_of_one_size_and_other_bytes_are_no_duplicates(look: Look, picture: Picture):
    bmp = {f"{n}.bmp": picture(n) for n in range(3)}
    rows = [replace(sample(str(n)), image=f"{n}.bmp") for n in range(3)]
    seen = look(rows, bmp)
    assert len({facts.image.size for facts in seen.facts.values()}) == 1
    assert check_exact(seen).status is Status.OK


def test_a_reencoded_and_resized_image_is_a_near_duplicate(look: Look, picture: Picture):
    source = picture(1, size=(400, 300))
    files = {"a.png": source, "b.jpg": source.resize((200, 150)), "c.png": picture(2)}
    rows = [sample("a"), replace(sample("b", "test"), image="b.jpg"), sample("c")]
    seen = look(rows, files)
    found = check_near(seen, distance=6)
    assert (found.status, found.numbers["pairs_across"], found.numbers["pairs_inside"]) == (Status.FAIL, 1, 0)
    assert (found.pairs[0].first, found.pairs[0].splits) == ("a.png", ("train", "test"))
    inside = check_near(look([replace(row, split="train") for row in rows], files), distance=6)
    assert (inside.status, inside.numbers["pairs_inside"]) == (Status.WARN, 1)


def test_versions_of_one_reference_are_expected_in_a_split_and_not_across(look: Look, picture: Picture):
    source = picture(1, size=(400, 300))
    files = {"a.png": source, "b.png": source.resize((200, 150))}
    rows = [sample("a", ref_id="r"), sample("b", ref_id="r")]
    assert check_near(look(rows, files), distance=6).status is Status.OK
    assert check_near(look([rows[0], replace(rows[1], split="val")], files), distance=6).status is Status.FAIL
    other = [rows[0], replace(rows[1], dataset="another")]
    assert check_near(look(other, files), distance=6).numbers["pairs_inside"] == 1


def test_flat_images_are_no_near_duplicates_of_one_another(look: Look):
    noise = np.random.default_rng(0).normal(0, 1, (2, 80, 96, 1))
    files = {f"{n}.png": Image.fromarray((60 + 120 * n + noise[n] * np.ones(3)).astype(np.uint8)) for n in range(2)}
    found = check_near(look([sample("0"), sample("1", "test")], files), distance=16)
    assert (found.status, found.numbers["flat"]) == (Status.SKIPPED, 2)


def test_equal_bytes_are_left_to_the_list_of_exact_duplicates(look: Look, picture: Picture):
    files = {"a.png": picture(1), "b.png": picture(1)}
    assert check_near(look([sample("a"), sample("b", "test")], files), distance=6).status is Status.OK


def test_the_hash_hardly_moves_under_recompression_and_differs_between_pictures(picture: Picture):
    first, second = (np.asarray(picture(seed, size=(256, 192))) for seed in (1, 2))
    shifted = np.asarray(Image.fromarray(first).filter(ImageFilter.GaussianBlur(2)))
    a, b, c = (int(perceptual_hash(pixels) or "", 16) for pixels in (first, shifted, second))
    assert (a ^ b).bit_count() <= 4
    assert (a ^ c).bit_count() > 16


Kin = tuple[str, str, str]
KINS = st.lists(
    st.tuples(st.sampled_from("ab"), st.sampled_from("xyz"), st.sampled_from("123")), min_size=1, max_size=8
)


def alike(kins: list[Kin]) -> Alike:
    made = Alike()
    made.rows = [(sample(str(number), kin[0]), kin) for number, kin in enumerate(kins)]
    return made


def plainly(pairs: list[tuple[Kin, Kin]]) -> tuple[int, int]:
    new = [(one, other) for one, other in pairs if one[2] != other[2]]
    across = sum(one[0] != other[0] for one, other in new)
    return across, sum(one[0] == other[0] and one[1] != other[1] for one, other in new)


@given(KINS)
def test_pairs_within_a_group_of_equal_hashes_are_counted_as_by_looking_at_each(kins: list[Kin]):
    group = alike(kins)
    if len(kins) > 1:
        assert tally(group, group) == plainly(list(combinations(kins, 2)))


@given(KINS, KINS)
def test_pairs_between_two_groups_are_counted_as_by_looking_at_each(first: list[Kin], second: list[Kin]):
    # Images of two hashes never have the same bytes.
    second = [(split, family, content + "'") for split, family, content in second]
    assert tally(alike(first), alike(second)) == plainly([(one, other) for one in first for other in second])


def test_a_reference_in_two_splits_fails_by_its_id(look: Look, picture: Picture):
    files = {"a.png": picture(1), "b.png": picture(2)}
    rows = [sample("a", ref_id="r"), sample("b", "test", ref_id="r")]
    found = check_leakage(look(rows, files))
    assert (found.status, found.examples) == (Status.FAIL, ("made: r: test, train",))
    assert check_leakage(look([rows[0], replace(rows[1], dataset="another")], files)).status is Status.OK
    assert check_leakage(look([sample("a"), sample("b", "test")], files)).status is Status.SKIPPED


def test_a_reference_under_two_names_fails_by_its_bytes(look: Look, picture: Picture):
    files = {"a.png": picture(1), "b.png": picture(2), "r.png": picture(3), "s.png": picture(3)}
    rows = [sample("a", ref_id="r", reference="r.png"), sample("b", "test", ref_id="s", reference="s.png")]
    found = check_leakage(look(rows, files))
    assert (found.status, found.numbers["ref_ids_in_several_splits"]) == (Status.FAIL, 0)
    assert found.numbers["reference_contents_in_several_splits"] == 1


def test_an_image_that_is_the_reference_of_another_split_fails(look: Look, picture: Picture):
    files = {"a.png": picture(1), "b.png": picture(3), "r.png": picture(3)}
    rows = [sample("a", ref_id="r", reference="r.png"), sample("b", "test", ref_id="s")]
    assert check_leakage(look(rows, files)).status is Status.FAIL


def blurred(picture: Picture, *, falling: bool) -> tuple[list[Sample], dict[str, Image.Image]]:
    """Twelve images that are more and more blurred, with ratings that fall or rise with it."""
    source = picture(1, size=(120, 100)).effect_spread(4)
    files = {f"{n}.png": source.filter(ImageFilter.GaussianBlur(n / 2)) for n in range(12)} | {"ref.png": source}
    ratings = [4.9 - 0.3 * n if falling else 1.2 + 0.3 * n for n in range(12)]
    rows = [replace(sample(str(n), reference="ref.png"), rating=r, mos=r) for n, r in enumerate(ratings)]
    return rows, files


def test_ratings_that_fall_with_damage_are_fine(look: Look, rated: Rate, picture: Picture):
    rows, files = blurred(picture, falling=True)
    found = check_direction(rated(rows), look(rows, files))
    assert (found.status, found.numbers["rho"]) == (Status.OK, pytest.approx(1))


def test_ratings_that_rise_with_damage_fail(look: Look, rated: Rate, picture: Picture):
    rows, files = blurred(picture, falling=False)
    found = check_direction(rated(rows), look(rows, files))
    assert (found.status, found.numbers["rho"]) == (Status.FAIL, pytest.approx(-1))
    assert found.numbers["high"] < 0


def test_ratings_that_have_nothing_to_do_with_damage_warn(look: Look, rated: Rate, picture: Picture):
    rows, files = blurred(picture, falling=True)
    mixed = [replace(row, rating=1.0 + n * 7 % 12 / 3) for n, row in enumerate(rows)]
    assert check_direction(rated(mixed), look(mixed, files)).status is Status.WARN


def test_without_references_or_with_few_or_of_another_shape_the_direction_is_not_judged(
    look: Look, rated: Rate, picture: Picture
):
    rows, files = blurred(picture, falling=False)
    alone = [replace(row, reference=None) for row in rows]
    assert check_direction(rated(alone), look(alone, files)).status is Status.SKIPPED
    assert check_direction(rated(rows[:9]), look(rows[:9], files)).status is Status.SKIPPED
    cropped = files | {"ref.png": files["ref.png"].crop((0, 0, 60, 100))}
    assert check_direction(rated(rows), look(rows, cropped)).status is Status.SKIPPED


def test_a_reference_of_another_size_and_the_same_shape_is_compared(look: Look, rated: Rate, picture: Picture):
    rows, files = blurred(picture, falling=True)
    larger = files | {"ref.png": files["ref.png"].resize((240, 200))}
    assert check_direction(rated(rows), look(rows, larger)).status is Status.OK


def test_a_list_names_a_few_and_counts_the_rest():
    assert named(["a", "b"]) == ("a", "b")
    assert named(map(str, range(NAMED + 3)))[-1] == "and 3 more"
