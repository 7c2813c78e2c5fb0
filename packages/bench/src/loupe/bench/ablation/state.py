"""cell.json: what became of a cell, so that a second run knows what is left to do.

It is written as `begun` before the first command, so that a cell which was killed half way is known to belong to the
same question, and again at the end. A cell that began under other settings is never mixed with this ablation's.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from loupe.bench.ablation.plan import Cell
from loupe.core.errors import ConfigError
from loupe.core.files import read_json, write_json

FILE = "cell.json"
BEGUN, DONE, FAILED = "begun", "done", "failed"


@dataclass(frozen=True, slots=True)
class CellState:
    """`status` is begun, done or failed; `reason` says why it failed; `seconds` are those of the attempt that ended."""

    status: str
    reason: str | None = None
    seconds: float | None = None


def write_state(cell: Cell, state: CellState) -> None:
    """Write cell.json, atomically."""
    write_json(cell.folder / FILE, {"row": cell.row, "seed": cell.seed, **asdict(state), **cell.asked})


def read_state(cell: Cell) -> CellState | None:
    """What became of the cell; None where it has not begun. Raises ConfigError where it was asked something else."""
    path = cell.folder / FILE
    if not path.is_file():
        return None
    row = read_json(path)
    if (changed := _changed(row, cell.asked)) is not None:
        raise ConfigError(
            f"row {cell.row!r} has changed since {cell.folder} was run ({changed}); choose another out, or remove "
            "that folder"
        )
    return CellState(row["status"], row["reason"], row["seconds"])


def unfinished(cells: Iterable[Cell], *, retry_failed: bool) -> list[Cell]:
    """The cells that are to run. Raises ConfigError as `read_state`, for any cell and before the first one runs."""
    states = [(cell, read_state(cell)) for cell in cells]
    ended = {DONE} if retry_failed else {DONE, FAILED}
    return [cell for cell, state in states if state is None or state.status not in ended]


def _changed(before: Mapping[str, Any], now: Mapping[str, Any]) -> str | None:
    """What differs, in words; None where nothing does."""
    if before.get("commands") != now["commands"]:
        old = {word for words in before.get("commands", []) for word in words}
        new = {word for words in now["commands"] for word in words}
        return f"was {' '.join(sorted(old - new)) or 'in another order'}, is {' '.join(sorted(new - old)) or 'without'}"
    old, new = before.get("inputs", {}), now["inputs"]
    files = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
    return f"other contents of {', '.join(files)}" if files else None
