"""`seqweave inspect`: everything a model does with one text, as a page or as data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from seqweave.cli.common import (
    BeamSize,
    Device,
    Folder,
    SearchSettings,
    load_model,
    note,
    note_unknown_pairs,
    read_pairs,
)
from seqweave.cli.options import Attributions, Corpus, Full, InspectedText, Port, Reference, Serve, TraceFile
from seqweave.errors import ConfigError
from seqweave.wording import count

if TYPE_CHECKING:
    from seqweave.predictor import Model

PORT = 8765


def inspect(
    folder: Folder,
    text: InspectedText = None,
    target: Reference = None,
    output: TraceFile = Path("trace.html"),
    beam_size: BeamSize = None,
    attributions: Attributions = False,
    corpus: Corpus = None,
    full: Full = False,
    serve: Serve = False,
    port: Port = PORT,
    settings: SearchSettings = None,
    device: Device = "auto",
) -> None:
    """Show what the model does with TEXT: attention, states, gates, probabilities, the beam's tree.

    With --serve nothing is written: the page is at a local address until Ctrl-C, and you can change things there.

    Example: seqweave inspect model "cats" --target "K AE T S" -o trace.html
    """
    from seqweave.evaluation.corpus import corpus_rows
    from seqweave.files import write_atomic
    from seqweave.inspection.attributions import with_attributions
    from seqweave.inspection.timelapse import read_timelapse
    from seqweave.inspection.trace_json import trace_to_json
    from seqweave.inspection.trace_page import check_name, page_html
    from seqweave.inspection.tracing import trace as traced

    if not serve:
        check_name(output)
    model = load_model(folder, device, settings)
    timelapse = read_timelapse(folder)
    if text is None:
        text = _default_text(folder, serve)
    size = model.config.search.beam_size if beam_size is None else beam_size
    trace = traced(model, text, target, size)
    note_unknown_pairs(model, [text], [] if target is None else [target])
    if attributions:
        trace = with_attributions(model, trace)
    rows = None
    if corpus is not None:
        rows = {"rows": corpus_rows(model, *read_pairs(corpus, None, model.config.data), beam_size=beam_size)}
    content = trace_to_json(trace, full=full, corpus=rows, timelapse=timelapse)
    if serve:
        _serve(model, size, content, full, port)
        return
    if output.suffix == ".html":
        content = page_html(content)
    write_atomic(output, content.encode("utf-8"))
    note(f"{trace.output.text!r}, {count(len(trace.steps.tokens), 'step')}; {output}, {len(content) / 1e6:.2f} MB")


def _serve(model: Model, beam_size: int, trace: str, full: bool, port: int) -> None:
    """Serve the page with `trace` in it, and answer its questions, until Ctrl-C."""
    from seqweave.inspection.question import Question
    from seqweave.inspection.server import ADDRESS, PageServer
    from seqweave.inspection.trace_json import trace_to_json
    from seqweave.inspection.trace_page import page_html
    from seqweave.inspection.tracing import trace as traced

    def answer(question: Question) -> str:
        found = traced(model, question.source, question.target, beam_size, what_if=question.what_if)
        return trace_to_json(found, full=full)

    server = PageServer(page_html(trace, ADDRESS), answer, port)
    note(f"{server.url} (Ctrl-C ends it)")
    server.run()
    note("ended")


def _default_text(folder: Path, serve: bool) -> str:
    """The first sample of the training, to begin with."""
    from seqweave.data.readers import read_sources
    from seqweave.folder import SAMPLES

    path = folder / SAMPLES
    if serve and path.is_file():
        for line in read_sources(path):
            if line:
                return str(json.loads(line)["source"])
    raise ConfigError('inspect needs a text, but there is none: add it, as in seqweave inspect DIR "text"')
