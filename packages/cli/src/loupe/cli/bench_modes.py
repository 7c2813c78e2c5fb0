"""`loupe bench modes`: fast, reasoning and zoom side by side."""

from loupe.cli.options import ConfigFile, Overrides, Resume, words


def modes(
    overrides: Overrides = None,
    config: ConfigFile = None,
    resume: Resume = False,
) -> None:
    """Judge the same images in every mode in one run: what reasoning, zooming and sampling reach, and what they cost.

    Fast reads the rating off in one pass; then come reasoning without zoom, zoom as decided, and the mean of several
    judgements with zoom. Use one thread for fair ratios: OMP_NUM_THREADS=1.

    Examples:

    loupe bench modes --config configs/pocket/modes.yaml

    loupe bench modes model=runs/pocket/grpo/model data=data/pocket out=runs/pocket/modes-grpo limit=200
    """
    from loupe.bench.modes.config import ModesConfig
    from loupe.bench.modes.run import compare_modes
    from loupe.bench.modes.table import difference_table, mode_table, notes
    from loupe.cli.screen import out, progress_bar, remark, text_table
    from loupe.core.config import load_config
    from loupe.core.files import read_json

    settings = load_config(ModesConfig, config, words(overrides, resume=resume))
    with progress_bar("images") as step:
        made = compare_modes(settings, progress=step)
    data = read_json(made)
    for table in (mode_table(data), difference_table(data)):
        out().print(text_table(table.head, table.rows))
    for note in notes(data):
        remark(note)
    remark(f"written to {settings.out}: modes.json, modes.md, modes.png, played.jsonl")
