"""The console script `loupe`: finds the verb, runs it, and turns errors into one line and an exit code.

Only the verb that was asked for is imported, and a verb imports its stage inside its function: `loupe --help` stays
well under half a second, and a typing mistake is answered before torch is awake. Exit codes: 0 done, 1 done but
something could not be judged, 2 a wrong call or wrong input, 130 interrupted. A traceback means a defect.
"""

import functools
import io
import logging
import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from loupe.core.errors import LoupeError
from loupe.core.printable import printable

VERBS = {
    "data": "Read public data sets, make labelled images, and look after data folders.",
    "sft": "Teach a base model to reason, zoom and rate, from written rationales.",
    "grpo": "Sharpen an SFT model by reinforcement learning on its own episodes.",
    "evaluate": "Judge one or several data sets, and score what came of it.",
    "compare-runs": "Compare two runs on the same images, with paired intervals.",
    "score-file": "Score the predictions of any tool against opinions.",
    "report": "Make one HTML page of evaluations and trainings.",
    "ablate": "Find out what each reward is worth, over seeds and with intervals.",
    "assess": "Rate pictures, and show what the agent looked at.",
    "rank": "Rank the pictures of a folder, with intervals.",
    "bench": "Measure parts of Loupe beside yardsticks.",
    "demo": "Walk the whole recipe on two CPU cores.",
    "pocket": "Make the pocket checkpoints from zero.",
}
WRONG_CALL, INTERRUPTED = 2, 130


def main() -> None:
    """Entry point of the console script; ends the process with the exit code."""
    # On some processors it complains, each time it is imported, of a kernel that nobody has to have.
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a letter gets a question mark, not a traceback.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    words = sys.argv[1:]
    try:
        build_app(words[0] if words and words[0] in VERBS else None)(prog_name="loupe")
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def build_app(verb: str | None) -> typer.Typer:
    """The whole command line, with the named verb loaded and the others as lines of the help page."""
    app = typer.Typer(
        help="Reasoning image-quality agents: they look, say what is wrong and where, zoom in, and give a rating.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    for name, line in VERBS.items():
        if name != verb:
            app.command(name, help=line)(_unloaded)
            continue
        function = name.replace("-", "_")
        made = getattr(import_module(f"loupe.cli.{function}"), function)
        if isinstance(made, typer.Typer):
            app.add_typer(_guard_all(made), name=name, help=line)
        else:
            app.command(name)(guard(made))
    return app


def guard(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with the errors that a user can act on printed as one line on stderr, and the exit code for them."""

    @functools.wraps(function)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except LoupeError as error:
            print(f"loupe: error: {printable(' '.join(str(error).split()))}", file=sys.stderr)
            raise typer.Exit(WRONG_CALL) from error
        except OSError as error:
            if error.filename is None:
                raise
            where = printable(str(error.filename))
            print(f"loupe: error: {where}: {error.strerror}; give another path or make room", file=sys.stderr)
            raise typer.Exit(WRONG_CALL) from error
        except KeyboardInterrupt as error:
            print("loupe: interrupted; what has --resume goes on with it where it stopped", file=sys.stderr)
            raise typer.Exit(INTERRUPTED) from error

    return guarded


def _guard_all(app: typer.Typer) -> typer.Typer:
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = guard(command.callback)
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            print(f"loupe {version('loupe-cli')}")
        except PackageNotFoundError:
            print("loupe, run from its sources and not installed")
        raise typer.Exit


def _options(
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """What the line takes before its verb."""


def _unloaded() -> None:
    """Stands for a verb that was not asked for."""


if __name__ == "__main__":
    main()
