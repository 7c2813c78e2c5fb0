"""Parsing, boxes, rewards, statistics and the command line start without torch and what stands on it.

Modules are found on disk, so a new one is checked from the day that it is written. The import contracts in
pyproject.toml see what is written in the code; this sees what is loaded in the end.
"""

import subprocess
import sys
from pathlib import Path

import pytest

from loupe.cli.main import VERBS

PACKAGES = Path(__file__).parents[2] / "packages"
HEAVY = ("torch", "transformers", "trl", "peft", "accelerate", "bitsandbytes", "datasets", "tensorboard")
SLOW_TO_START = (*HEAVY, "cv2", "scipy", "matplotlib", "jinja2", "PIL", "numpy")
IMPORT_ALL = """
import importlib, sys
for name in sys.argv[2:]:
    importlib.import_module(name)
    if found := [heavy for heavy in sys.argv[1].split(",") if heavy in sys.modules]:
        sys.exit(f"{name} loads {', '.join(found)}")
"""
HELP = """
import sys
heavy, sys.argv = sys.argv[1].split(","), ["loupe", *sys.argv[2:]]
from loupe.cli.main import main
try:
    main()
except SystemExit as stop:
    assert stop.code in (0, None), stop.code
if found := [name for name in heavy if name in sys.modules]:
    sys.exit(f"help loads {', '.join(found)}")
"""


def modules(package: str) -> list[str]:
    source = PACKAGES / package / "src"
    found = [path.relative_to(source).with_suffix("").parts for path in sorted(source.rglob("*.py"))]
    names = [".".join(part for part in parts if part != "__init__") for parts in found]
    return [name for name in names if not name.startswith("loupe.core.model")]


def run(code: str, *words: str) -> None:
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("package", ["core", "data", "zoom", "rewards", "bench", "cli"])
def test_importing_a_package_that_trains_nothing_loads_no_torch(package: str) -> None:
    names = modules(package)
    assert len(names) > 1
    run(IMPORT_ALL, ",".join(HEAVY), *names)


def test_help_loads_nothing_that_is_slow_to_start() -> None:
    run(HELP, ",".join(SLOW_TO_START), "--help")


def has_file(verb: str) -> bool:
    return (PACKAGES / f"cli/src/loupe/cli/{verb.replace('-', '_')}.py").is_file()


@pytest.mark.parametrize("verb", [verb for verb in VERBS if has_file(verb)])
def test_the_help_of_a_verb_loads_no_torch(verb: str) -> None:
    run(HELP, ",".join(HEAVY), verb, "--help")
