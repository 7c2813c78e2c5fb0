"""`loupe assess`: pictures in, verdicts out."""

import json
from pathlib import Path
from typing import Annotated

import typer


def assess(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE|FOLDER...", help="Pictures, or folders of them.")],
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object a picture instead of a table.")
    ] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Append results to this JSONL file.")] = None,
    report: Annotated[Path | None, typer.Option("--report", help="Write an HTML page with the zoom trails.")] = None,
    model: Annotated[
        str, typer.Option("--model", "-m", help="Shipped agent, model folder or hub id.")
    ] = "pocket-agent",
    no_zoom: Annotated[bool, typer.Option("--no-zoom", help="Judge from the overview alone.")] = False,
    samples: Annotated[int, typer.Option("--samples", "-n", min=1, help="Judgements of each picture.")] = 4,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the drawn judgements.")] = 0,
    protocol: Annotated[str, typer.Option("--protocol", help="How to ask: a name or a YAML file.")] = "zoom-brief",
) -> None:
    """Rate pictures from 1 (very poor) to 5 (excellent), and show what the agent looked at.

    Folders are searched to the bottom. The first judgement of a picture is greedy and gives the words; the others are
    drawn. Their mean is the rating. The same seed gives the same verdicts. Exit code 1 says that a picture could not be
    rated.

    Examples:

    loupe assess photo.jpg

    loupe assess holiday/ --output ratings.jsonl --report ratings.html

    loupe assess photo.jpg --json --samples 1 --no-zoom
    """
    from loupe.bench.assess import POCKET_CAVEAT, AssessConfig, Judgement, find_images, result_row
    from loupe.bench.assess import assess as judge
    from loupe.cli.screen import complain, judgement_table, out, progress_bar, remark
    from loupe.core.files import append_jsonl, check_target
    from loupe.core.model.checkpoints import SHIPPED

    config = AssessConfig(model=model, protocol=protocol, zoom=not no_zoom, samples=samples, seed=seed)
    paths, judgements = find_images(images), list[Judgement]()
    for target in (output, report):
        if target is not None:
            check_target(target, keep=paths)
    with progress_bar("pictures") as step:
        for judgement in judge(paths, config):
            judgements.append(judgement)
            row = result_row(judgement, config)
            if output is not None:
                append_jsonl(output, row)
            if as_json:
                print(json.dumps(row), flush=True)
            if judgement.problem is not None:
                complain(f"{judgement.image}: {judgement.problem}")
            step(len(judgements), len(paths))
    if report is not None:
        from loupe.bench.assess_page import write_assess_page

        write_assess_page(judgements, report, model=model)
    if not as_json and any(judgement.rating is not None for judgement in judgements):
        out().print(judgement_table(judgements))
    if model in SHIPPED:
        remark(POCKET_CAVEAT)
    if any(judgement.problem is not None for judgement in judgements):
        raise typer.Exit(1)
