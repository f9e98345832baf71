"""The JSON of a trace: what goes in comes out, in the precision promised, and the page holds it safely."""

from __future__ import annotations

import base64
import html
import json
import re
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from architectures import CASES
from seqweave.errors import DataError
from seqweave.inspection import trace_page
from seqweave.inspection.trace import REASONS, Steps, Trace
from seqweave.inspection.trace_json import _Arrays, _unpacked, trace_from_json, trace_to_json
from seqweave.inspection.trace_page import page_html, save_trace, show_trace
from seqweave.inspection.tracing import trace as traced
from seqweave.text.vocabulary import EOS
from tiny_model import tiny_model

NAMES = ("rnn-none-every_step", "lstm-additive-before", "gru-dot-after", "gru-layers", "transformer-layers")
PAGE = '<!doctype html><script>"id=trace"</script><script type="application/json" id="trace">null</script><p>'


@pytest.fixture(params=NAMES, scope="module")
def trace(request: pytest.FixtureRequest) -> Trace:
    return traced(tiny_model(CASES[request.param]), "abcag", "gfb", beam_size=3)


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "index.html"
    path.write_text(PAGE, encoding="utf-8")
    monkeypatch.setattr(trace_page, "PAGE", path)
    return path


def assert_close(ours: Steps, theirs: Steps) -> None:
    assert ours.tokens == theirs.tokens
    assert ours.log_probs == pytest.approx(theirs.log_probs, rel=1e-6)
    assert np.array_equal(ours.top_ids, theirs.top_ids)
    assert ours.context == (None if theirs.context is None else pytest.approx(theirs.context, rel=1e-3, abs=1e-6))
    for a, b in zip(ours.layers, theirs.layers, strict=True):
        assert a.hidden == pytest.approx(b.hidden, rel=1e-3, abs=1e-6)
        assert list(a.gates) == list(b.gates)
        for name in a.gates:
            assert a.gates[name] == pytest.approx(b.gates[name], abs=0.5 / 127 + 1e-6)
    looks, others = (*ours.attention, *ours.self_attention), (*theirs.attention, *theirs.self_attention)
    for one, other in zip(looks, others, strict=True):
        assert one.weights == pytest.approx(other.weights, rel=1e-3, abs=1e-6)
        assert one.scores == pytest.approx(other.scores, rel=1e-3, abs=1e-6)


def test_what_goes_in_comes_out(trace: Trace) -> None:
    back = trace_from_json(trace_to_json(trace, full=True))
    assert_close(back.steps, trace.steps)
    assert back.forced is not None
    assert trace.forced is not None
    assert_close(back.forced.steps, trace.forced.steps)
    assert (back.source, back.target, back.output, back.model, back.names) == (
        trace.source,
        trace.target,
        trace.output,
        trace.model,
        trace.names,
    )
    assert np.array_equal(back.beam.statuses, trace.beam.statuses)
    assert np.array_equal(back.beam.parents, trace.beam.parents)
    assert back.beam.ranking == trace.beam.ranking
    # What has been through JSON once is as exact as JSON: it does not change any more.
    assert trace_to_json(back, full=True) == trace_to_json(trace_from_json(trace_to_json(back, full=True)), full=True)


def test_a_small_file_leaves_out_what_can_be_computed(trace: Trace) -> None:
    small, full = trace_to_json(trace), trace_to_json(trace, full=True)
    assert len(small) < len(full)
    back = trace_from_json(small)
    assert back.steps.context is None
    assert back.steps.readout is None
    assert all(layer.cell is None for layer in back.steps.layers)


def documented(section: str, root: Path) -> set[str]:
    """Names in the first column of the tables of a section of the document."""
    text = (root / "docs" / "trace-format.md").read_text(encoding="utf-8")
    part = re.split(r"\n##+ ", text.split(f" {section}\n", 1)[1])[0]
    return {name for row in re.findall(r"^\|([^|]*)\|", part, re.M) for name in re.findall(r"`(\w+)`", row)}


def test_every_field_is_documented(trace: Trace, root: Path) -> None:
    value: dict[str, Any] = json.loads(trace_to_json(trace))
    sections = {
        "Top level": value,
        "Encoder": value["encoder"],
        "Layer": value["encoder"]["layers"][0],
        "Bridge": value["bridge"],
        "Steps": value["steps"],
        "Forced": value["forced"],
        "Beam": value["beam"],
    }
    if value["steps"]["attention"]:
        sections["Attention"] = value["steps"]["attention"][0]
    for section, part in sections.items():
        assert set(part) <= documented(section, root), section
    assert set(REASONS) <= documented("Beam", root)
    assert (value["format"], value["version"]) == ("seqweave-trace", 2)
    assert {key for array in value["arrays"] for key in array} <= documented("Arrays", root)
    assert value["corpus"] is value["timelapse"] is None


def packed(*numbers: bytes, kind: str = "f16", shape: tuple[int, ...] = (3,)) -> dict[str, Any]:
    """A deflated array from its planes."""
    data = base64.b64encode(zlib.compress(b"".join(numbers))).decode()
    return {"type": kind, "scale": 1.0, "shape": list(shape), "deflated": True, "data": data}


def test_deflated_arrays_are_planes_of_bytes() -> None:
    # 1, -2 and 65504 as halves: 3c00, c000, 7bff, the low bytes first.
    assert _unpacked(packed(b"\x00\x00\xff", b"\x3c\xc0\x7b")).tolist() == [1, -2, 65504]


def test_what_zlib_makes_smaller_is_deflated_and_nothing_else() -> None:
    noise = np.random.default_rng(1).integers(0, 256, 5000).astype(np.uint8)
    same = np.repeat(np.float16(0.5), 500)
    for values, kind, smaller in ((noise, "u8", False), (same, "f16", True), (same[:0], "f16", False)):
        arrays = _Arrays()
        arrays.add(values, kind)
        assert ("deflated" in arrays.written[0]) == smaller
        assert _unpacked(arrays.written[0]).tolist() == values.tolist()


@pytest.mark.parametrize("shape", [(2,), (4,), (-3,), (10**6, 10**6)])
def test_an_array_inflates_to_what_its_shape_says_or_is_refused(shape: tuple[int, ...]) -> None:
    value = json.loads(trace_to_json(tiny_model(CASES["gru-dot-after"]).trace("abc")))
    value["arrays"][0] = packed(bytes(50_000_000), shape=shape)
    with pytest.raises(DataError, match=r"this is not \(ValueError: an array of shape"):
        trace_from_json(json.dumps(value))


@pytest.mark.parametrize("deflated", [True, False])
def test_a_shape_beyond_all_numbers_is_refused(deflated: bool) -> None:
    value = json.loads(trace_to_json(tiny_model(CASES["gru-dot-after"]).trace("abc")))
    value["arrays"][0] = {**packed(bytes(6), shape=(10**30,)), "deflated": deflated}
    with pytest.raises(DataError, match=r"but this is not \((OverflowError|ValueError): "):
        trace_from_json(json.dumps(value))


def test_a_trace_of_version_1_is_read(root: Path) -> None:
    text = (root / "page/tests/traces/gru-dot.json").read_text(encoding="utf-8")
    assert json.loads(text)["version"] == 1
    trace = trace_from_json(text)
    assert trace.output.text == "".join(token.text for token in trace.output.tokens)
    assert trace.steps.log_probs.sum() == pytest.approx(trace.output.log_prob, abs=1e-4)


def test_equal_arrays_are_written_once() -> None:
    """The twin of the output itself adds nothing."""
    model = tiny_model(CASES["gru-additive-after"])
    with torch.no_grad():
        model.single.output.bias[EOS] += 2.0
    free = model.trace("abc")
    assert free.output.finished
    alone, twin = trace_to_json(free), trace_to_json(model.trace("abc", free.output.text))
    assert len(json.loads(alone)["arrays"]) == len(json.loads(twin)["arrays"])


def test_hostile_text_stays_inside(page: Path) -> None:
    hostile = '</script><img src=x onerror="alert(1)"><!--<script>'
    trace = tiny_model(CASES["gru-dot-after"]).trace(hostile, hostile)
    filled = page_html(trace_to_json(trace))
    assert filled.count("<img") == filled.count("<!--") == 0
    assert filled.count("</script>") == 2
    content = filled.split('id="trace">', 1)[1].split("</script>", 1)[0]
    assert json.loads(content)["source"]["text"] == hostile
    assert filled.startswith(PAGE[:70])
    assert filled.endswith("</script><p>")


def test_backslashes_of_the_trace_are_no_pattern(page: Path) -> None:
    assert json.loads(page_html('"\\\\1 \\\\g<1>"').split('id="trace">')[1].split("<")[0]) == "\\1 \\g<1>"


def test_save_and_show(page: Path, tmp_path: Path) -> None:
    trace = tiny_model(CASES["gru-dot-after"]).trace("abc")
    assert (
        trace_from_json(save_trace(trace, tmp_path / "trace.json").read_text(encoding="utf-8")).source == trace.source
    )
    written = save_trace(trace, tmp_path / "trace.html").read_text(encoding="utf-8")
    assert written == page_html(trace_to_json(trace))
    frame = show_trace(trace, height=300)._repr_html_()
    inside = re.fullmatch(r'<iframe srcdoc="([^"]*)" sandbox="allow-scripts allow-downloads" .* height="300".*', frame)
    assert inside is not None
    assert html.unescape(inside[1]) == written
    assert "shown in a notebook" in repr(show_trace(trace))


def test_mistakes_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tiny_model(CASES["gru-dot-after"]).trace("abc")
    with pytest.raises(DataError, match=r"ending with \.html or \.json, but the name is trace\.png: rename it"):
        save_trace(trace, tmp_path / "trace.png")
    monkeypatch.setattr(trace_page, "PAGE", tmp_path / "none.html")
    with pytest.raises(DataError, match=r"none\.html: the page must be part of the installation"):
        show_trace(trace)
    (tmp_path / "none.html").write_text("<p>", encoding="utf-8")
    with pytest.raises(DataError, match=r"the page must have one <script .* but it has 0"):
        show_trace(trace)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "other"}', "null", "[" * 100_000])
def test_what_is_no_trace_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"a trace must be JSON as trace_to_json writes it, but this is not"):
        trace_from_json(text)


def test_another_version_is_refused() -> None:
    text = trace_to_json(tiny_model(CASES["gru-dot-after"]).trace("abc")).replace('"version": 2', '"version": 3')
    with pytest.raises(DataError, match="of version 1 to 2 to be read here, but it is 3"):
        trace_from_json(text)
