"""All modes on the same images in one run, and the table of them: `loupe bench modes`."""

import math
import os
from dataclasses import asdict
from pathlib import Path

from loupe.bench.agent import Agents, model_agents
from loupe.bench.correlate import MIN_ITEMS
from loupe.bench.fast import check_fast
from loupe.bench.modes.config import ModesConfig
from loupe.bench.modes.figures import figures
from loupe.bench.modes.mode import modes
from loupe.bench.modes.play import FILE as PLAYED
from loupe.bench.modes.play import Progress, Stage, play_modes
from loupe.bench.modes.plot import modes_png
from loupe.bench.modes.table import markdown
from loupe.core.errors import DataError
from loupe.core.files import read_json, write_bytes_atomic, write_json, write_text_atomic
from loupe.core.model.checkpoints import model_folder
from loupe.core.protocol import load_protocol
from loupe.core.runs import ENVIRONMENT, open_run
from loupe.data.store import load_samples

NUMBERS, MARKDOWN, PICTURE = "modes.json", "modes.md", "modes.png"


def compare_modes(config: ModesConfig, *, agents: Agents | None = None, progress: Progress | None = None) -> Path:
    """Play every mode and write modes.json, modes.md and modes.png into `config.out`; returns the first.

    `agents` take the place of the model that the config names. Raises ConfigError, MissingFileError, DataError,
    ImageError, ModelError.
    """
    config.check()
    protocol, data, out = load_protocol(config.protocol), Path(config.data), Path(config.out)
    check_fast(protocol)
    samples = load_samples(data, config.split)[: config.limit]
    if not samples:
        raise DataError(f"{data}/{config.split}.jsonl holds no samples; name another split, or make the folder again")
    if (rated := sum(math.isfinite(sample.rating) for sample in samples)) < MIN_ITEMS:
        raise DataError(f"{data}/{config.split}.jsonl: {rated} images have an opinion; wanted {MIN_ITEMS} at least")
    start = model_folder(config.model) if agents is None else None
    open_run(out, config, data=[data / f"{config.split}.jsonl"], start=start, resume=config.resume)
    kinds = modes(config.samples)
    own = agents or model_agents(config.model, protocol, batch_size=config.batch_size)
    stage = Stage(samples, data, protocol, config.seed, config.chunk)
    chunks = play_modes(own, kinds, stage, path=out / PLAYED, progress=progress)
    found = figures(chunks, kinds, n_boot=config.n_boot, seed=config.seed)
    machine = read_json(out / ENVIRONMENT)
    write_json(
        out / NUMBERS,
        {
            "model": config.model if agents is None else "a policy of the caller",
            **found,
            "threads": os.environ.get("OMP_NUM_THREADS", "as many as there are"),
            "settings": asdict(config),
            "fast_opening": protocol.fast_opening,
            "fingerprint": protocol.fingerprint,
            "platform": machine["platform"],
        },
    )
    # Of the file as it is read again, so that they cannot differ.
    written = read_json(out / NUMBERS)
    write_text_atomic(out / MARKDOWN, markdown(written))
    write_bytes_atomic(out / PICTURE, modes_png(written))
    return out / NUMBERS
