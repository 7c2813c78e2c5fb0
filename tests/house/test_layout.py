"""The house keeps its form: what lies at the top, what a package holds and declares, and what no file may mention."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ["core", "data", "zoom", "rewards", "sft", "grpo", "bench", "cli"]
TOP = {
    "pyproject.toml",
    "packages",
    "configs",
    "data_recipes",
    "tests",
    "docs",
    "Makefile",
    "README.md",
    "LICENSE",
    "constraints.txt",
}
MADE = {"data", "runs", "build", "dist"}
DISTRIBUTIONS = {
    "cv2": "opencv-python-headless",
    "huggingface_hub": "huggingface-hub",
    "PIL": "pillow",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
OPTIONAL = {"torchvision", "vllm"}
"""Used where they are installed, never needed."""


def own_files() -> list[Path]:
    folders = [ROOT / name for name in ("packages", "configs", "data_recipes", "tests", ".ci")]
    deep = [path for folder in folders for path in folder.rglob("*")]
    found = [path for path in [*ROOT.iterdir(), *deep] if path.is_file()]
    return [path for path in found if not {"__pycache__", ".hypothesis"} & set(path.parts) and path.name != ".git"]


def project(package: str) -> dict:
    return tomllib.loads((ROOT / "packages" / package / "pyproject.toml").read_text())["project"]


def declared(package: str) -> set[str]:
    return {re.split(r"[^A-Za-z0-9_-]", words)[0] for words in project(package)["dependencies"]}


def imported(package: str) -> set[str]:
    """Distributions behind the imports of a package, those inside of functions included."""
    names: set[str] = set()
    for path in (ROOT / "packages" / package / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                names.add(node.module)
    tops = {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - OPTIONAL - {"loupe"}
    own = {f"loupe-{name.split('.')[1]}" for name in names if name.startswith("loupe.")} - {f"loupe-{package}"}
    return {DISTRIBUTIONS.get(top, top) for top in tops} | own


def test_nothing_else_lies_at_the_top() -> None:
    assert {path.name for path in ROOT.iterdir() if not path.name.startswith(".")} <= TOP | MADE


def test_there_are_eight_packages_and_the_namespace_belongs_to_none() -> None:
    assert sorted(path.name for path in (ROOT / "packages").iterdir()) == sorted(PACKAGES)
    assert list(ROOT.glob("packages/*/src/loupe/__init__.py")) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_is_typed_and_has_one_name_version_and_licence(package: str) -> None:
    source = ROOT / "packages" / package / "src" / "loupe"
    assert [path.name for path in source.iterdir() if path.name != "__pycache__"] == [package]
    assert (source / package / "py.typed").is_file()
    made = project(package)
    assert (made["name"], made["version"], made["license"]) == (f"loupe-{package}", "0.1.0", "Apache-2.0")
    assert made["requires-python"] == ">=3.11"


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_declares_what_it_imports(package: str) -> None:
    assert imported(package) - declared(package) == set()


def test_everything_that_is_declared_is_pinned() -> None:
    pinned = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    wanted = {name for package in PACKAGES for name in declared(package) if not name.startswith("loupe-")}
    assert wanted - pinned == set()


def test_pins_name_no_build_of_one_machine() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    assert [
        line for line in lines if not line.startswith("#") and not re.fullmatch(r"[a-z0-9-]+==[0-9a-z.]+", line)
    ] == []


@pytest.mark.parametrize(
    "word", ["/wor" + "k/", "pypi" + ".org", "python" + "hosted", "download." + "pytorch", "npm" + "js"]
)
def test_no_file_mentions_a_place_of_one_machine_or_a_package_index(word: str) -> None:
    assert [str(path.relative_to(ROOT)) for path in own_files() if word.encode() in path.read_bytes()] == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("README.md")))
def test_the_readme_can_be_read_in_one_go(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 150
