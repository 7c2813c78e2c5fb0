"""What holds for every test: no network, one thread a process, and no deadline on a machine that is busy.

And the two things that both training stages start from: a handful of synthetic images, and a model that knows nothing.
"""

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("loupe", deadline=None)
settings.load_profile("loupe")


@pytest.fixture(scope="session")
def synthetic_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder of 20 training and 4 validation images with rationales; tests read it and never write into it."""
    from loupe.data.synth import SynthConfig, synthesise

    folder = tmp_path_factory.mktemp("data") / "synthetic"
    return synthesise(SynthConfig(out=str(folder), train=5, val=1, test=0, versions=4, size=224, workers=1))


@pytest.fixture(scope="session")
def blank_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A saved pocket model with random weights; tests read it and never write into it."""
    from loupe.core.model.loading import save_model
    from loupe.core.model.pocket import build_pocket
    from loupe.core.model.processors import build_pocket_processor

    processor = build_pocket_processor()
    folder = tmp_path_factory.mktemp("blank") / "model"
    save_model(build_pocket(processor.tokenizer, seed=3), processor, folder)
    return folder
