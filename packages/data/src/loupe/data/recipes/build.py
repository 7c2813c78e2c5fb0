"""`loupe data build`: a release as it was downloaded becomes a data folder that every other verb reads.

The rows are read twice and never held: the first pass looks up files, checks scale and counts and draws the split; the
second writes samples. Nothing is written but the list of gaps before the first pass is content, and the labels appear
when the last image is in its place. The same line goes on where an interrupted one stopped.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from loupe.core.config import to_yaml
from loupe.core.errors import ConfigError, DataError, MissingFileError
from loupe.core.files import sha256_files, write_json, write_text_atomic
from loupe.data.recipes.checks import check_release, check_scale
from loupe.data.recipes.flavours import find_labels
from loupe.data.recipes.gaps import FILE, Gaps
from loupe.data.recipes.globs import walk
from loupe.data.recipes.jsonl_parts import JsonlParts
from loupe.data.recipes.locate import Locator
from loupe.data.recipes.naming import check_distortions
from loupe.data.recipes.pair_files import write_pair_files
from loupe.data.recipes.place import Placement, place
from loupe.data.recipes.readers import PAIR_READERS
from loupe.data.recipes.recipe import Recipe
from loupe.data.recipes.rows import drop_reasons, label_rows
from loupe.data.recipes.samples import Maker
from loupe.data.recipes.scale import Scale
from loupe.data.recipes.split import SPLITS
from loupe.data.recipes.survey import Survey, survey

Progress = Callable[..., None]
SETTINGS = "recipe.yaml"
_RUN = {"workers": 0, "allow_missing": False, "root": "", "out": ""}
"""Settings that do not change what the folder holds."""


@dataclass(frozen=True, slots=True)
class Built:
    """What `build` did: the folder, its manifest, and whether anything is missing, extra or not as in the release."""

    folder: Path
    manifest: dict[str, Any]
    gaps: str


def _silent(done: int, total: int, now: str = "") -> None:
    """Progress that nobody watches."""


def build(recipe: Recipe, *, progress: Progress = _silent) -> Built:
    """Write the data folder. `progress(done, total, what)` is called for rows and then for images.

    Raises LoupeError for what a user can mend: files that are missing or extra (unless `allow_missing`), labels that
    are not what the recipe says, a folder that holds something else.
    """
    root, out = _check(recipe)
    there = list(walk(root, leave_out=out))
    form, files = find_labels(recipe, there)
    check_distortions(form)
    _check_out(out, form)
    locator = Locator(form, there)

    def step(done: int, total: int) -> None:
        progress(done, total, "rows read")

    with Gaps(out, part=form.part) as gaps:
        found = survey(files, form, locator=locator, gaps=gaps, progress=step)
        check_scale(found, form, whole=recipe)
        if form.place != "none" and not len(locator.images):
            raise MissingFileError(
                f"no image file below {root} fits images={list(form.images)}; set images, or root (folders that are "
                "links are not entered)"
            )
        check_release(found, form, gaps)
        _note_extra(form, locator, gaps)
        gaps.close()
    _refuse(form, gaps)
    _clear_parts(out)
    write_text_atomic(out / SETTINGS, _settings(form))
    found.deck.cut(form.split.shares)
    return _write(form, files, found, locator=locator, gaps=gaps, progress=progress)


def _write(
    recipe: Recipe, files: Sequence[Path], found: Survey, *, locator: Locator, gaps: Gaps, progress: Progress
) -> Built:
    """The second pass: samples into part files, images into their places, and then all under their names."""
    out = Path(recipe.out)
    maker = Maker(recipe, found.deck, scale=scale_of(recipe, found), observed=found.mos.ends(), locator=locator)
    counts, tasks = Counter[str](), dict[str, str]()
    with JsonlParts(out) as parts:
        for number, row in enumerate(label_rows(files, recipe), start=1):
            made = maker.make(row)
            if made is not None:
                parts.write(made.sample.split, made.sample)
                counts[made.sample.split] += 1
                tasks.update(made.files)
            if number % 1000 == 0:
                progress(number, max(found.rows, number + 1), "rows written")
        place(
            [Placement(str(Path(recipe.root) / source), str(out / target)) for target, source in tasks.items()],
            root=Path(recipe.root),
            copy=recipe.place == "copy",
            short_side=recipe.short_side,
            workers=recipe.workers,
            progress=lambda done, total: progress(done, total, "images"),
        )
        hashes = parts.publish()
    pairs = write_pair_files(files, recipe, out=out) if recipe.reader in PAIR_READERS else None
    manifest = _manifest(recipe, files, found, counts=counts, gaps=gaps)
    manifest["splits"] = {split: {"images": counts[split], "sha256": hashes[split]} for split in SPLITS}
    manifest |= {"pairs": pairs} if pairs is not None else {}
    write_json(out / "manifest.json", manifest)
    return Built(out, manifest, gaps.sentence() if gaps else "")


def scale_of(recipe: Recipe, found: Survey) -> Scale | None:
    """The range that becomes 1..5: the nominal one, or that of the rows; None where no row has an opinion."""
    if not found.mos.count:
        return None
    nominal = recipe.rating == "nominal"
    low = recipe.scale_min if nominal and recipe.scale_min is not None else found.mos.low
    high = recipe.scale_max if nominal and recipe.scale_max is not None else found.mos.high
    return Scale(low, high, recipe.higher_is_better)


def _check(recipe: Recipe) -> tuple[Path, Path]:
    """Root and out; `recipe.out` is set where it was left to the default. Raises LoupeError."""
    if not recipe.name:
        raise ConfigError("no recipe; name one with -c data_recipes/NAME.yaml, or set name, reader, labels and columns")
    if not recipe.root:
        raise ConfigError(f"no root; give the folder where {recipe.name} was unpacked, with --root FOLDER")
    root = Path(recipe.root)
    if not root.is_dir():
        raise MissingFileError(f"no folder {root}; give the folder where {recipe.name} was unpacked")
    recipe.out = recipe.out or f"data/{recipe.name}"
    out = Path(recipe.out)
    if out.exists() and not out.is_dir():
        raise ConfigError(f"out={out} is a file; give the name of a folder")
    if out.resolve() == root.resolve():
        raise ConfigError(f"out={out} is the download itself; give another folder to write to")
    return root, out


def _settings(recipe: Recipe) -> str:
    """What decides over the content of the folder."""
    return to_yaml(replace(recipe, **_RUN))


def _check_out(out: Path, recipe: Recipe) -> None:
    """Refuse a folder that holds anything else than this recipe would write."""
    held, settings = out / SETTINGS, _settings(recipe)
    if held.is_file():
        text = held.read_text(encoding="utf-8")
        # Where no build ended, other labels may be made; reduced pictures of another size must not stay.
        same_pictures = f"\nshort_side: {'null' if recipe.short_side is None else recipe.short_side}\n" in text
        if text != settings and ((out / "manifest.json").exists() or not same_pictures):
            raise ConfigError(f"{out} was built by another recipe or other settings; give another out, or remove it")
        return
    if out.is_dir() and any(item.name != FILE and not _is_part(item.name) for item in out.iterdir()):
        raise ConfigError(f"{out} holds data that was not built here; give another out")


def _is_part(name: str) -> bool:
    return name.startswith(".") and name.endswith(".part")


def _clear_parts(out: Path) -> None:
    """Remove what a killed build left half written; two builds at a time have no place in one folder."""
    for folder, _, names in os.walk(out):
        for name in filter(_is_part, names):
            (Path(folder) / name).unlink(missing_ok=True)


def _note_extra(recipe: Recipe, locator: Locator, gaps: Gaps) -> None:
    reason_of = drop_reasons(recipe)
    for path in locator.images.unused():
        if reason_of(path) is None:
            gaps.add("extra", path)


def _refuse(recipe: Recipe, gaps: Gaps) -> None:
    if gaps and not recipe.allow_missing:
        where = f"; all names are in {Path(recipe.out) / FILE}" if any(gaps.counts.values()) else ""
        raise DataError(f"{recipe.name}: {gaps.sentence()}{where}; mend it, or go on with --allow-missing")


def _manifest(
    recipe: Recipe, files: Sequence[Path], found: Survey, *, counts: Counter[str], gaps: Gaps
) -> dict[str, Any]:
    scale = scale_of(recipe, found)
    return {
        "name": recipe.name,
        "title": recipe.title,
        "flavour": recipe.flavour,
        "licence": recipe.licence,
        "root": str(Path(recipe.root).resolve()),
        "labels": sha256_files(files),
        "rows": found.rows,
        "samples": sum(counts.values()),
        "dropped": dict(found.dropped),
        "references": found.groups,
        "mos": found.mos.ends(),
        "mos_std": found.std.ends(),
        "scale": None if scale is None else {"nominal": [recipe.scale_min, recipe.scale_max], "rating": asdict(scale)},
        "std": {"column": recipe.std, "from_scale": recipe.std_scale, "on_scale_of": "mos"},
        "distortions": dict(sorted(found.words.items())),
        "gaps": {**gaps.counts, "first": gaps.first, "remarks": gaps.remarks},
        "notes": recipe.notes,
        "recipe": asdict(recipe),
    }
