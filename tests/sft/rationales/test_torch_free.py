import subprocess
import sys

CODE = """
import importlib, pkgutil, sys
import loupe.sft.rationales as package
names = [f"loupe.sft.rationales.{module.name}" for module in pkgutil.iter_modules(package.__path__)]
assert len(names) > 10
for name in names:
    importlib.import_module(name)
print(sorted({"torch", "transformers", "trl", "peft", "accelerate"} & set(sys.modules)))
"""


def test_the_builder_loads_no_torch():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
