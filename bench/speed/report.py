"""The report of a results folder: one table for training and decoding of each work, and cold starts."""

from __future__ import annotations

import importlib
import json
import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from limit import report as limit_report
from machine import describe
from peer_seqweave import load_common
from tables import Line, best, grouped, markdown, median, number, quiet, read_lines
from works import WORKS, cost, parse_variant, training_flops

OURS = "ours-"
REFERENCE = "ct2"  # a Transformer: shown, but no peer to be compared with
FAST_KERNELS = "+avx512"


def is_peer(name: str) -> bool:
    """Whether a name is a system that ours is compared with."""
    return not name.startswith(OURS) and not name.startswith(REFERENCE)


def ratio(value: float | None, of: float | None) -> str:
    """How many times as fast as another figure."""
    return "-" if value is None or of is None else f"{value / of:.2f}x"


class Operations:
    """Training FLOPs a token of every system, from the lengths of the training data."""

    def __init__(self) -> None:
        self.common = load_common()
        self.lengths: dict[str, list[tuple[int, int]]] = {}

    def __call__(self, name: str, work: str) -> float | None:
        """FLOPs a token, or None for a system whose model is not known."""
        folder = self.common.ROOT / "data" / work
        if not (folder / "meta.json").is_file():
            return None
        name = name.removesuffix(FAST_KERNELS)
        if not name.startswith(OURS):
            peers = importlib.import_module("flops")
            style = peers.SMALL.get(name, peers.STYLES.get(name)) if work == "w2" else peers.STYLES.get(name)
            return None if style is None else float(peers.per_token(work, **style))
        if work not in self.lengths:
            sides = [[len(items) for items in self.common.lines(folder / f"train.{side}")] for side in ("src", "trg")]
            self.lengths[work] = list(zip(*sides, strict=True))
        variant = parse_variant(
            name.removeprefix(OURS).replace("-", ",").replace("after,dot", "after-dot"), WORKS[work]
        )
        meta = json.loads((folder / "meta.json").read_text())
        sizes = (meta["vocab_src"] + 4, meta["vocab_trg"] + 4)
        return training_flops(cost(WORKS[work], variant, *sizes), self.lengths[work])


def training_table(lines: Iterable[Line], work: str, limit: Mapping[str, Any], operations: Operations) -> str:
    """Tokens a second, against the best peer and against the machine's peak."""
    groups = grouped((line for line in lines if line["work"] == work), "name")
    plain = best(
        {name: rows for name, rows in groups.items() if is_peer(name) and FAST_KERNELS not in name}, "tokens_per_s"
    )
    fast = best({name: rows for name, rows in groups.items() if is_peer(name) and FAST_KERNELS in name}, "tokens_per_s")
    rows = []
    for name, group in sorted(groups.items(), key=lambda item: -(median(item[1], "tokens_per_s") or 0)):
        rate = median(group, "tokens_per_s")
        rates = [line["tokens_per_s"] for line in quiet(group)]
        flops = operations(name, work)
        work_rate = None if flops is None or rate is None else flops * rate / 1e9
        precision = str(group[0].get("precision", "fp32"))
        peak = limit.get(precision)
        rows.append(
            [
                name,
                f"{group[0]['cell']} {group[0]['attention']}",
                precision,
                number(rate),
                f"{min(rates):,.0f}-{max(rates):,.0f}",
                ratio(rate, plain),
                *([ratio(rate, fast)] if fast else []),
                number(median(group, "ms_per_step"), 1),
                number(None if flops is None else flops / 1e6, 1),
                number(work_rate),
                "-" if work_rate is None or not peak else f"{work_rate / peak:.0%}",
                number(median(group, "loss_last10"), 3),
                number(median(group, "rss_mb")),
                runs(group),
            ]
        )
    head = ["system", "cell, attention", "precision", "tokens/s", "range", "of best peer"]
    head += ["of best peer, fast kernels"] if fast else []
    head += ["ms/step", "MFLOP/token", "GFLOP/s", "of peak", "loss", "MB", "runs (noisy)"]
    return markdown(head, rows)


def runs(group: Sequence[Line]) -> str:
    """How many runs a median is of, and how many others were disturbed."""
    disturbed = sum(bool(line.get("noisy")) for line in group)
    return f"{len(quiet(group))} ({disturbed})"


def decoding_table(lines: Iterable[Line], work: str) -> str:
    """Output tokens a second at a forced length, for each way to search."""
    lines = [line for line in lines if line["work"] == work]
    ways = sorted({(line["batch"], line["beam"]) for line in lines}, key=lambda way: (-way[0], way[1]))
    names = list(grouped(lines, "name"))
    of_way = {way: grouped((line for line in lines if (line["batch"], line["beam"]) == way), "name") for way in ways}
    head = ["output tokens/s"]
    for batch, beam in ways:
        search = "greedy" if beam == 1 else f"beam {beam}"
        head += [f"{search}, batch {batch or 'own'}", "of best peer"]
    top = {
        way: best({name: rows for name, rows in groups.items() if is_peer(name)}, "out_tokens_per_s")
        for way, groups in of_way.items()
    }
    table = []
    for name in names:
        row = [name]
        for way, groups in of_way.items():
            rate = median(groups.get(name, []), "out_tokens_per_s")
            row += [number(rate), ratio(rate, top[way])]
        table.append([*row, number(median([line for line in lines if line["name"] == name], "rss_mb"))])
    return markdown([*head, "MB"], table)


def cold_table(lines: Iterable[Line], work: str) -> str:
    """Seconds and memory of a process that translates one sentence."""
    groups = grouped((line for line in lines if line["work"] == work), "name")
    rows = [
        [
            name,
            number(median(rows, "process_wall"), 2),
            number(median(rows, "seconds_in_process"), 2),
            number(median(rows, "rss_mb")),
        ]
        for name, rows in sorted(groups.items(), key=lambda item: median(item[1], "process_wall") or 0)
    ]
    return markdown(["system", "process, s", "to the first answer, s", "MB"], rows)


def versions(lines: Iterable[Line]) -> str:
    """Versions of the peers, where they say one."""
    found = {line["name"]: line.get("version") or line.get("torch") for line in lines if is_peer(line["name"])}
    return ", ".join(f"{name} {version}" for name, version in found.items() if version)


def write_report(output: Path) -> str:
    """Make DIR/report.md of DIR/results, and give its text."""
    results = output / "results"
    tasks = {task: read_lines(results / f"{task}.jsonl") for task in ("train", "decode", "cold")}
    facts = json.loads((results / "run.json").read_text()) if (results / "run.json").is_file() else {}
    limit = json.loads((results / "limit.json").read_text()) if (results / "limit.json").is_file() else {}
    parts = ["# Speed"]
    if facts.get("smoke"):
        parts.append("SMOKE RUN: everything ran, but the figures mean nothing.")
    parts.append("\n".join(f"- {line}" for line in describe(facts.get("threads", 0))))
    every = [line for lines in tasks.values() for line in lines]
    if every:
        spread = [line["foreign"] for line in every]
        noise = f"other processes used {statistics.median(spread):.2f} cores (median), {max(spread):.2f} at most"
        parts.append(f"- measured {min(line['at'] for line in every)} to {max(line['at'] for line in every)}; {noise}")
        parts.append(f"- peers: {versions(tasks['train']) or 'none'}")
    if limit:
        parts.append(f"## The limit\n\n{limit_report(limit)}")
    operations = Operations()
    makers: dict[str, Callable[[list[Any], str], str]] = {
        "train": lambda lines, work: training_table(lines, work, limit, operations),
        "decode": decoding_table,
        "cold": cold_table,
    }
    for task, make in makers.items():
        for work in sorted({line["work"] for line in tasks[task]}):
            parts.append(f"## {task} {work}\n\n{make(tasks[task], work)}")
    if (results / "hotspots.md").is_file():
        parts.append((results / "hotspots.md").read_text(encoding="utf-8").rstrip())
    text = "\n\n".join(parts) + "\n"
    (output / "report.md").write_text(text, encoding="utf-8")
    return text
