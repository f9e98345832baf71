"""`seqweave demo`: train a model that reads dates in many languages, and show what it does."""

from __future__ import annotations

import shlex
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seqweave.cli.common import Device
from seqweave.cli.options import Out, Restart
from seqweave.cli.train import exit_if_stopped, next_commands, watched
from seqweave.wording import RUN_AGAIN, stopped_text

if TYPE_CHECKING:
    from seqweave.cli.progress import TrainingView
    from seqweave.predictor import Model

TRAIN_PAIRS, DEV_PAIRS, DATA_SEED = 30_000, 1_000, 1
PICTURE = "attention.png"
EXAMPLE = "3. März 2021"
SETTINGS: dict[str, Any] = {
    "data.source.units": "char",
    "data.target.units": "char",
    "model.attention": "general",
    "model.attention_position": "after",
    "training.max_steps": 800,
    "training.precision": "auto",
    "training.batch_tokens": 4096,
    "training.learning_rate": 4e-3,
    "training.schedule": "cosine",
    "training.warmup_steps": 100,
    "training.label_smoothing": 0.0,
    "training.metric": "exact_match",
}


def demo(
    out: Out = Path("seqweave-demo"),
    restart: Restart = False,
    device: Device = "auto",
    steps: Annotated[int, typer.Option(hidden=True, min=1)] = SETTINGS["training.max_steps"],
    pairs: Annotated[int, typer.Option(hidden=True, min=20)] = TRAIN_PAIRS,
) -> None:
    """Train a model that reads dates of 18 locales and writes them as 2021-03-03; about half a minute on two cores.

    Example: seqweave demo -o demo-model
    """
    from seqweave.cli.progress import TrainingView
    from seqweave.data.builtin import LOCALES, RULE, split_dates
    from seqweave.training.run import train

    training, dev = split_dates(pairs, min(DEV_PAIRS, pairs), DATA_SEED)
    view = TrainingView()
    view.say(f"{len(training):,} dates as {len(LOCALES)} locales write them, to ISO 8601; {len(dev):,} held out")
    view.say(f"the rule: {RULE}\n")
    settings = {**SETTINGS, "training.max_steps": steps, "training.validate_every": -(-steps // 5)}
    with tempfile.TemporaryDirectory(prefix="seqweave-demo-") as temporary:
        files = [Path(temporary) / name for name in ("dates.tsv", "dates.dev.tsv")]
        for path, rows in zip(files, (training, dev), strict=True):
            _write(path, rows)
        with watched(view, out):
            result = train(
                files[0],
                out,
                dev=files[1],
                preset="tiny",
                settings=settings,
                device=device,
                restart=restart,
                listen=view,
            )
        if result.status == "interrupted":
            view.say(f"{stopped_text(result.step, result.max_steps)}, {RUN_AGAIN}")
            exit_if_stopped(result)
        shutil.copyfile(files[1], out / "dates.dev.tsv")
    if result.status == "already_finished":
        view.say(
            f"{out} already holds a finished demo; `seqweave demo -o {shlex.quote(str(out))} --restart` trains again"
        )
    _show(out, device, dev, result.metrics or {}, view)


def _show(out: Path, device: str, dev: Sequence[tuple[str, str]], metrics: dict[str, Any], view: TrainingView) -> None:
    """Samples before and after, the figures, one attention matrix, and what to do next; on stdout."""
    from seqweave.loading import load

    model = load(out, device)
    print()
    _show_samples(model, dev, view)
    if metrics:
        low, high = metrics["intervals"]["exact_match"]
        print(f"\nheld-out dates that are exactly right: {metrics['exact_match']:.1f}%", end="")
        print(f" (95% interval {low:.1f} to {high:.1f})")
    _show_attention(model, out)
    folder = shlex.quote(str(out))
    print("\nnext, try:")
    for command in next_commands(folder, "14 AVRIL 1987", f"{folder}/dates.dev.tsv"):
        print(f"  {command}")


def _show_samples(model: Model, dev: Sequence[tuple[str, str]], view: TrainingView) -> None:
    from seqweave.cli.progress import sample_text

    if view.first is not None:
        print(f"before, after {view.first['step']:,} steps:")
        _print_indented(sample_text(sample) for sample in view.first["samples"])
        chosen = [(str(sample["source"]), str(sample["target"])) for sample in view.first["samples"]]
    else:
        chosen = list(dev[:5])
    print("after training:")
    outputs = model.predict([source for source, _ in chosen])
    samples = zip(chosen, outputs, strict=True)
    _print_indented(sample_text({"source": s, "target": t, "output": found.text}) for (s, t), found in samples)


def _show_attention(model: Model, out: Path) -> None:
    from matplotlib.figure import Figure

    from seqweave.inspection.plots import plot_attention
    from seqweave.inspection.terminal import render_attention

    (found,) = model.predict([EXAMPLE], return_attention=True)
    if found.attention is None:
        return
    tokens = [*found.tokens, "<eos>"][: len(found.attention)]
    print(f"\nwhere it looks in {EXAMPLE!r} (one row for each output character):")
    print(render_attention(found.attention, found.source_tokens, tokens))
    figure = plot_attention(found.attention, found.source_tokens, tokens).figure
    assert isinstance(figure, Figure)  # plot_attention made it
    figure.savefig(out / PICTURE, dpi=150)
    print(f"the same as a picture: {out / PICTURE}")


def _print_indented(lines: Iterable[str]) -> None:
    for line in lines:
        print(f"  {line}")


def _write(path: Path, pairs: Iterable[tuple[str, str]]) -> None:
    path.write_text("".join(f"{source}\t{target}\n" for source, target in pairs), encoding="utf-8", newline="\n")
