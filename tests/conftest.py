"""What holds for every test: no network, one thread a process, and no deadline on a machine that is busy."""

import os

from hypothesis import settings

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

settings.register_profile("loupe", deadline=None)
settings.load_profile("loupe")
