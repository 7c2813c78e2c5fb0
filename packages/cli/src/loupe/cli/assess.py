"""`loupe assess`: pictures in, verdicts out."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

    from loupe.bench.assess import AssessConfig, Judgement


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
    fast: Annotated[
        bool, typer.Option("--fast", help="No reasoning: read each rating off in one pass; --samples has no bearing.")
    ] = False,
    calibration: Annotated[
        Path | None, typer.Option("--calibration", help="calibration.json of an evaluation: print intervals too.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the drawn judgements.")] = 0,
    protocol: Annotated[str, typer.Option("--protocol", help="How to ask: a name or a YAML file.")] = "zoom-brief",
    prompts: Annotated[
        Path | None, typer.Option("--prompts", help="YAML file with words that take the place of the protocol's.")
    ] = None,
    reference: Annotated[
        Path | None, typer.Option("--reference", help="Picture that a comparison is made against.")
    ] = None,
    prompts_for_restoration: Annotated[
        bool,
        typer.Option(
            "--prompts-for-restoration",
            help="One JSON object a picture with prompts for a text-guided restorer, in place of the results.",
        ),
    ] = False,
) -> None:
    """Rate pictures from 1 (very poor) to 5 (excellent), and show what the agent looked at.

    Folders are searched to the bottom. The first judgement of a picture is greedy and gives the words; the others are
    drawn. Their mean is the rating. The same seed gives the same verdicts. Exit code 1 says that a picture could not be
    judged.

    Examples:

    loupe assess photo.jpg

    loupe assess holiday/ --output ratings.jsonl --report ratings.html

    loupe assess photo.jpg --json --samples 1 --no-zoom

    loupe assess holiday/ --fast

    loupe assess photo.jpg --calibration runs/pocket/calibration/calibration.json

    loupe assess a.jpg b.jpg --protocol compare --model runs/compare/model

    loupe assess photo.jpg --protocol zoom-iqa --prompts release.yaml --model checkpoints/zoom-iqa-7b

    loupe assess holiday/ --prompts-for-restoration --output prompts.jsonl
    """
    from loupe.bench.assess import OTHER_PROTOCOL, POCKET_CAVEAT, AssessConfig, Judgement
    from loupe.bench.assess import assess as judge
    from loupe.bench.pictures import find_images
    from loupe.cli.screen import complain, judgement_table, out, progress_bar, remark
    from loupe.core.files import append_jsonl, check_target
    from loupe.core.model.checkpoints import SHIPPED
    from loupe.core.numbers import percent

    config = AssessConfig(
        model=model,
        protocol=protocol,
        prompts=str(prompts or ""),
        reference=str(reference or ""),
        zoom=not no_zoom,
        samples=samples,
        fast=fast,
        calibration=str(calibration or ""),
        seed=seed,
    )
    paths, judgements = find_images(images), list[Judgement]()
    for target in (output, report):
        if target is not None:
            inputs = (reference, prompts, calibration, Path(protocol))
            check_target(target, keep=[*paths, *(file for file in inputs if file is not None)])
    row_of = _rows(config, prompts=prompts_for_restoration)
    with progress_bar("pictures") as step:
        for judgement in judge(paths, config):
            judgements.append(judgement)
            row = row_of(judgement)
            if output is not None:
                append_jsonl(output, row)
            if as_json or prompts_for_restoration:
                print(json.dumps(row), flush=True)
            if judgement.problem is not None:
                complain(f"{judgement.image}: {judgement.problem}")
            step(len(judgements), len(paths))
    if report is not None:
        from loupe.bench.assess_page import write_assess_page

        write_assess_page(judgements, report, model=model)
    if not (as_json or prompts_for_restoration) and any(judgement.problem is None for judgement in judgements):
        out().print(judgement_table(judgements))
    if calibration is not None and (share := next((item.holds for item in judgements if item.holds), None)):
        remark(f"intervals hold {percent(share, 0)} of labels of images like those of {calibration}, and of no others")
    if model in SHIPPED:
        remark(POCKET_CAVEAT if protocol == AssessConfig.protocol else f"{POCKET_CAVEAT} {OTHER_PROTOCOL}")
    if any(judgement.problem is not None for judgement in judgements):
        raise typer.Exit(1)


def _rows(config: "AssessConfig", *, prompts: bool) -> "Callable[[Judgement], dict[str, Any]]":
    """What makes the line of a picture: its result, or the prompts for a restorer in its place."""
    if prompts:
        from loupe.bench.restoration.prompts import prompts_row
        from loupe.core.protocol import load_protocol

        protocol = load_protocol(config.protocol, prompts=config.prompts)
        return lambda judgement: prompts_row(judgement, protocol)
    from loupe.bench.assess import result_row

    return lambda judgement: result_row(judgement, config)
