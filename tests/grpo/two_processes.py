"""What each process of a launch runs: the GRPO stage with a scripted agent, once for each config that is named.

Each process leaves in the run folder what coverage chose in it and the gradients that its optimizer was given.
"""

import os
import sys
from pathlib import Path

import torch
from conftest import run_scripted

from loupe.core.config import load_config
from loupe.grpo.config import GrpoConfig

for path in sys.argv[1:]:
    trainer = run_scripted(load_config(GrpoConfig, path))
    seen = {"chosen": trainer.chosen, "gradients": trainer.gradients, "processes": trainer.accelerator.num_processes}
    torch.save(seen, Path(trainer.work.config.out) / f"seen-{os.environ['RANK']}.pt")
