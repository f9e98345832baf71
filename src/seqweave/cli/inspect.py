"""`seqweave inspect`: everything a model does with one text, as a page or as data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from seqweave.cli.common import BeamSize, Device, Folder, count, note, read_pairs


def inspect(
    folder: Folder,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="The source.")],
    target: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A reference, to compare with the free run.")
    ] = None,
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help=".html: a page that works offline; .json: data.")
    ] = Path("trace.html"),
    beam_size: BeamSize = None,
    attributions: Annotated[
        bool, typer.Option("--attributions", help="Also gradients and occlusion, to compare with attention.")
    ] = False,
    corpus: Annotated[
        Path | None, typer.Option(metavar="DATA", help="Pairs to decode for the page's table of an evaluation.")
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Also cell states, contexts and readouts: about twice the size.")
    ] = False,
    device: Device = "auto",
) -> None:
    """Write what the model does with TEXT: attention, states, gates, probabilities, the beam's tree.

    Example: seqweave inspect model "cats" --target "K AE T S" -o trace.html
    """
    from seqweave.evaluation.corpus import corpus_rows
    from seqweave.files import write_atomic
    from seqweave.inspection.attributions import with_attributions
    from seqweave.inspection.timelapse import read_timelapse
    from seqweave.inspection.trace_json import trace_to_json
    from seqweave.inspection.trace_page import check_name, page_html
    from seqweave.search.predictor import load

    check_name(output)
    model = load(folder, device)
    size = model.config.search.beam_size if beam_size is None else beam_size
    trace = model.trace(text, target, beam_size=size)
    if attributions:
        trace = with_attributions(model, trace)
    rows = None
    if corpus is not None:
        rows = {"rows": corpus_rows(model, *read_pairs(corpus, None, model.config.data), beam_size=beam_size)}
    content = trace_to_json(trace, full=full, corpus=rows, timelapse=read_timelapse(folder))
    if output.suffix == ".html":
        content = page_html(content)
    write_atomic(output, content.encode("utf-8"))
    note(f"{trace.output.text!r}, {count(len(trace.steps.tokens), 'step')}; {output}, {len(content) / 1e6:.2f} MB")
