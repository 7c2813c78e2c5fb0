"""The recipes of the interchange forms build data folders out of miniatures of their layouts."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from loupe.core.config import load_config
from loupe.core.errors import DataError
from loupe.core.files import read_json, read_jsonl
from loupe.core.records import Degradation, Sample
from loupe.data.export.run import ExportConfig, export
from loupe.data.recipes.build import build
from loupe.data.recipes.recipe import Recipe
from loupe.data.store import load_samples

RECIPES = Path(__file__).parents[3] / "data_recipes"


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (48, 40), (shade, shade, shade)).save(path)


def built(name: str, root: Path, *words: str) -> Path:
    recipe = load_config(Recipe, RECIPES / f"{name}.yaml", [f"root={root}", f"out={root.parent / 'built'}", *words])
    return build(recipe).folder


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))


def test_comparisons_become_unrated_samples_and_pairs_in_both_orders(tmp_path: Path) -> None:
    root = tmp_path / "ValidationImage"
    for shade, name in enumerate(("Original/x.png", "01/x_01.png", "02/x_02.png")):
        picture(root / "images" / name, shade)
    row = {"ref_image": "Original/x.png", "ImageA": "01/x_01.png", "ImageB": "02/x_02.png", "result": "Image B"}
    write(root / "train_comparison.json", [row])
    folder = built("q-insight-comparison", root)
    samples = {sample.id: sample for sample in load_samples(folder, "train")}
    assert len(samples) == 3
    assert all(math.isnan(sample.rating) for sample in samples.values())
    first, second = read_jsonl(folder / "pairs-train.jsonl")
    assert (first["choice"], second["choice"]) == ("Image B", "Image A")
    assert (first["image_a"], first["image_b"]) == (second["image_b"], second["image_a"])
    assert samples[first["reference"]].image == "images/Original/x.png"
    target = tmp_path / "again.json"
    export(ExportConfig(data=str(folder), split="train", format="q-insight-comparison", output=str(target)))
    under = {key: value if key == "result" else f"images/{value}" for key, value in row.items()}
    assert json.loads(target.read_text())[0] == under


@pytest.mark.parametrize("flavour", ["triplets", "raters"])
def test_diffiqa_keeps_the_split_of_its_folders(tmp_path: Path, flavour: str) -> None:
    root = tmp_path / "DiffIQA"
    for part, name in (("Train", "x"), ("Validation", "y")):
        picture(root / part / "images" / "Original" / f"{name}.png", 1)
        picture(root / part / "images" / "01" / f"{name}_01.png", 2)
        if flavour == "triplets":
            write(
                root / part / "trainlabel" / "Triplet" / "Triplet.txt", f"{name}_01.png,{name}.png,{name}.png,1,1,0.5\n"
            )
        for rater in "ABC" if flavour == "raters" else "":
            label = {"Picture_AI": {"Label": "Similar" if rater == "A" else "Positive"}}
            write(root / part / "trainlabel" / "label" / rater / "01" / f"{name}_01.json", label)
    folder = built("diffiqa", root)
    assert read_json(folder / "manifest.json")["flavour"] == flavour
    for split in ("train", "val"):
        first, _ = read_jsonl(folder / f"pairs-{split}.jsonl")
        assert (first["choice"], first["reference"]) == ("Image A", first["image_b"])


def test_kadis_pictures_have_damage_and_level_and_no_opinion(tmp_path: Path) -> None:
    root = tmp_path / "refA_sd_brief"
    rows = {"1": ("blur", "blur_lens", 4), "2": (None, None, 0), "3": ("oversharpen", "oversharpen", 5)}
    for name, (word, variant, level) in rows.items():
        picture(root / "dist_imgs" / f"{name}_0.png", int(name))
        picture(root / "ref_imgs" / f"{name}.png", int(name))
        meta = {"img_ref": f"ref_imgs/{name}.png", "img_lq": f"dist_imgs/{name}_0.png"}
        write(
            root / "metas" / f"{name}_0.json",
            meta | {"distortion_class": word, "distortion_name": variant, "severity": level},
        )
    folder = built("kadis-700k", root, "split.by=whole")
    samples = load_samples(folder, "test")
    assert [(sample.distortion, sample.reference) for sample in samples] == [
        ("blur", "references/ref_imgs/1.png"),
        (None, "references/ref_imgs/2.png"),
        ("oversharpen", "references/ref_imgs/3.png"),
    ]
    damages = [sample.degradation for sample in samples]
    assert [(item.distortion_class, item.severity) for item in damages if item] == [("blur", 4), (None, 0)]
    assert damages[2] is None
    assert all(math.isnan(sample.rating) for sample in samples)


def test_images_with_two_damages_are_built_without_a_level(tmp_path: Path) -> None:
    root = tmp_path / "KADIS700K"
    picture(root / "A_md_detail" / "dist_imgs" / "1_0.png", 1)
    row = {"image_A": "A_md_detail/dist_imgs/1_0.png", "image_B": None, "distortion_classes": ["blur", "noise"]}
    write(root / "A_md_detail" / "metas" / "train_md.json", [row | {"severities": [1, 2]}])
    (sample,) = load_samples(built("dq-495k", root), "train")
    assert (sample.distortion, sample.degradation) == ("blur+noise", None)


def test_q_insights_distortions_become_classes(tmp_path: Path) -> None:
    root = tmp_path / "refA_sd_brief"
    rows = [("noise", "obvious"), ("null", "null"), ("compression", 5)]
    for place in range(3):
        picture(root / "dist_imgs" / f"{place}.png", place)
    items = [
        {"image": f"dist_imgs/{place}.png", "distortion_class": word, "severity": level}
        for place, (word, level) in enumerate(rows)
    ]
    write(root / "metas" / "train_dist.json", items)
    damages = [sample.degradation for sample in load_samples(built("q-insight-distortion", root), "train")]
    assert [(item.distortion_class, item.severity) for item in damages if item] == [
        ("noise", 3),
        (None, 0),
        ("compression", 5),
    ]
    write(root / "metas" / "train_dist.json", [items[0] | {"distortion_class": "color cast"}, *items[1:]])
    with pytest.raises(DataError, match=r"distortion 'color cast' is none of"):
        built("q-insight-distortion", root, f"out={tmp_path / 'other'}")


def test_a_list_of_words_becomes_ratings_with_its_deviations_stretched(tmp_path: Path) -> None:
    root = tmp_path / "agiqa"
    for name in ("a", "b"):
        picture(root / f"{name}.jpg", 3)
    (root / "a.jpg").rename(root / "A.JPG")
    write(root / "AGIQA-3K_test_all.txt", "a.jpg 25 0.5\nb.jpg 100 1.0\n")
    words = ("name=agiqa", "scale_min=0", "scale_max=100", "std_scale=[0,4.489]", "split.by=official")
    first, second = load_samples(built("visualquality-r1-txt", root, *words), "test")
    assert (first.rating, second.rating, first.image) == (2.0, 5.0, "images/A.JPG")
    assert first.mos_std == pytest.approx(0.5 * 100 / 4.489)


def test_a_folder_goes_through_a_csv_and_comes_back_as_it_was(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    lines = ["image,mos,std,ref,split,distortion,level"]
    for place in range(6):
        picture(root / "images" / f"{place}.png", place)
        picture(root / "references" / f"r{place // 2}.png", 100 + place)
        split = ("train", "val", "test")[place // 2]
        lines.append(
            f"images/{place}.png,{place * 2}.5,{1 + place / 10},references/r{place // 2}.png,{split},gblur,{place % 6}"
        )
    lines[1] = lines[1].replace("gblur,0", ",0")
    write(root / "labels.csv", "\n".join(lines))
    words = ("scale_min=0", "scale_max=20", "split.by=official", "distortions.gblur=blur", "references=[references/**]")
    settings = (*words, "images=[images/**]", "name=mine")
    folder = built("csv", root, *settings)
    export(ExportConfig(data=str(folder), split="all", format="csv", output=str(folder / "labels.csv")))
    again = built("csv", folder, *settings, f"out={tmp_path / 'again'}")
    for split in ("train", "val", "test"):
        samples = load_samples(folder, split)
        assert len(samples) == 2
        assert [plain(sample) for sample in load_samples(again, split)] == [plain(sample) for sample in samples]
    assert load_samples(folder, "train")[0].degradation == Degradation(None, 0, None)


def plain(sample: Sample) -> dict[str, Any]:
    """What a sample says, without the paths, which lie a folder deeper each time."""
    row = sample.to_json()
    return {key: row[key] for key in row if key not in ("id", "image", "reference")} | {"n": Path(sample.image).name}
