"""Multi30k German to English with every architecture: equal size, steps, batches and vocabularies.

    python bench/quality/family.py train -o runs/family                    # all rows, one after another
    python bench/quality/family.py train -o runs/family --only general local-p
    python bench/quality/family.py table -o runs/family                    # the rows that are done, as markdown

A row is `DIR/NAME.json`. The same command again goes on where it was stopped and leaves finished rows alone, so two
calls with other names may run side by side. Each row is trained with the same steps, order of batches,
learning rate and dropout; widths differ where sizes would leave 8 to 10 million parameters, which is checked
before training. BLEU is of greedy outputs of test_2016; the best of the validations is chosen on dev.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shlex
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from recipes import RECIPES
from run import processor
from splits import write_splits

import seqweave
from seqweave.config import build_config, parse_setting
from seqweave.errors import SeqweaveError
from seqweave.evaluation.evaluate import evaluate_model
from seqweave.folder import SOURCE_TOKENIZER, TARGET_TOKENIZER
from seqweave.model.build import build_model
from seqweave.model.seq2seq import parameter_count

sys.path.append(str(Path(__file__).resolve().parents[1]))
from recipe_runs import Progress, find_data

STEPS = 1000
VOCABULARY = 8000
SMALLEST, LARGEST = 8_000_000, 10_000_000

COMMON: dict[str, Any] = {
    **{
        f"data.{side}.{key}": value
        for side in ("source", "target")
        for key, value in {"units": "subword", "lowercase": True, "max_size": VOCABULARY}.items()
    },
    "model.embedding_size": 256,
    "model.tie_embeddings": True,
    "model.dropout": 0.2,
    "training.batch_tokens": 2048,
    "training.learning_rate": 3e-3,
    "training.schedule": "cosine",
    "training.warmup_steps": 60,
    "training.metric": "bleu",
    "training.max_dev_pairs": 500,
    "training.keep_checkpoints": 1,
    "search.beam_size": 1,
}
VALIDATIONS = 4
WIDE = {"encoder_hidden_size": 288, "decoder_hidden_size": 576}
NARROW = {"encoder_hidden_size": 256, "decoder_hidden_size": 512}
DEEP = {"encoder_hidden_size": 224, "decoder_hidden_size": 384}
BEFORE = {**NARROW, "attention": "additive", "attention_position": "before"}
GENERAL = {**WIDE, "attention": "general"}
TRANSFORMER_RATE = {"training.learning_rate": 2e-3, "training.adam_betas": [0.9, 0.98]}

# Name: what the table calls it, and its settings, of `model` where they name no other group.
ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "none-first": ("no attention, context first", {**WIDE, "attention": "none"}),
    "none-reversed": ("the same, source reversed", {**WIDE, "attention": "none", "reverse_source": True}),
    "none-every-step": (
        "no attention, context at every step",
        {**NARROW, "attention": "none", "context": "every_step"},
    ),
    "additive-before": ("additive, before", BEFORE),
    "dot": ("dot, after", {**WIDE, "attention": "dot"}),
    "dot-feeding": ("dot, after, input feeding", {**WIDE, "attention": "dot", "input_feeding": True}),
    "general": ("general, after", GENERAL),
    "general-feeding": ("general, after, input feeding", {**GENERAL, "input_feeding": True}),
    "concat": ("concat, after", {**WIDE, "attention": "concat"}),
    "concat-feeding": ("concat, after, input feeding", {**WIDE, "attention": "concat", "input_feeding": True}),
    "local-m": ("general, after, local-m", {**GENERAL, "attention_window": "local_m"}),
    "local-p": ("general, after, local-p", {**GENERAL, "attention_window": "local_p"}),
    "between": ("general, between two layers", {**DEEP, "attention_position": "between", "decoder_layers": 2}),
    "coverage": ("additive, before, coverage and its loss", {**BEFORE, "coverage": True}),
    "coverage-alone": (
        "additive, before, coverage without its loss",
        {**BEFORE, "coverage": True, "training.coverage_weight": 0.0},
    ),
    "copy": ("general, after, copying", {**GENERAL, "copy": True}),
    "recurrent-transformer": (
        "recurrent encoder, Transformer decoder",
        {"encoder_hidden_size": 288, "decoder": "transformer", "decoder_layers": 3},
    ),
    "transformer-recurrent": (
        "Transformer encoder, recurrent decoder (general, after)",
        {**GENERAL, "encoder": "transformer", "encoder_layers": 3},
    ),
    "transformer": (
        "Transformer, 3 + 3 layers",
        {"encoder": "transformer", "decoder": "transformer", "encoder_layers": 3, "decoder_layers": 3},
    ),
}
HEADER = (
    "architecture",
    "parameters",
    "BLEU, greedy (95%)",
    "perplexity, teacher-forced",
    "perplexity, free-running",
    "training tokens/s",
    "seconds",
)


def settings_of(name: str, steps: int, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a row; `given` wins."""
    own = {key if "." in key else f"model.{key}": value for key, value in ROWS[name][1].items()}
    budget = {"training.max_steps": steps, "training.validate_every": max(1, steps // VALIDATIONS)}
    rate = TRANSFORMER_RATE if "transformer" in own.values() else {}
    return {**COMMON, **rate, **budget, **own, **given}


def size_of(settings: Mapping[str, Any], source_size: int = VOCABULARY, target_size: int = VOCABULARY) -> int:
    """Parameters of the network of some settings."""
    with torch.device("meta"):
        return parameter_count(build_model(build_config(settings).model, source_size, target_size))


def check_size(name: str, size: int) -> None:
    """Exit when a row is not as large as the others."""
    if not SMALLEST <= size <= LARGEST:
        raise SystemExit(f"{name} must have {SMALLEST:,} to {LARGEST:,} parameters, but it has {size:,}")


def training_rate(folder: Path) -> float:
    """Tokens a second, of source and target together without padding, of the steps alone: the median over steps.

    The median, because whatever else the machine does in between is not the model's.
    """
    rates: list[float] = []
    before = 0
    for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "step":
            rates += [event["tokens_per_second"]] * (event["step"] - before)
            before = event["step"]
    return statistics.median(rates)


def digest(folder: Path) -> str:
    """What the rows must share: both vocabularies."""
    files = (SOURCE_TOKENIZER, TARGET_TOKENIZER)
    return hashlib.sha256(b"".join((folder / name).read_bytes() for name in files)).hexdigest()


def train_row(name: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """Train and evaluate one row."""
    folder: Path = arguments.output / name
    splits = RECIPES["multi30k-de-en"].read(find_data(arguments.data))
    paths = write_splits(splits, folder / "data")
    settings = settings_of(name, arguments.steps, dict(map(parse_setting, arguments.set)))
    check_size(name, size_of(settings))
    progress = Progress()
    begin = time.perf_counter()
    seqweave.train(
        paths["train"],
        folder / "model",
        dev=paths["dev"],
        settings=settings,
        seed=arguments.seed,
        device=arguments.device,
        listen=progress,
    )
    seconds = time.perf_counter() - begin
    model = seqweave.load(folder / "model", device=arguments.device)
    size = parameter_count(model.network)
    check_size(name, size)
    sources, targets = zip(*splits["test"], strict=True)
    return {
        "row": name,
        "command": shlex.join(["python", *sys.argv]),
        "steps": arguments.steps,
        "seed": arguments.seed,
        "settings": settings,
        "parameters": size,
        "vocabularies": digest(folder / "model"),
        "train_seconds": seconds,
        "resumed": progress.resumed,
        "tokens_per_second": training_rate(folder / "model"),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": processor(torch.device(model.device)),
        "test": evaluate_model(model, sources, targets, beam_size=1).to_json(),
    }


def train(arguments: argparse.Namespace) -> None:
    """The rows asked for that are not done yet."""
    torch.set_num_threads(arguments.threads)
    arguments.output.mkdir(parents=True, exist_ok=True)
    for name in arguments.only or ROWS:
        path = arguments.output / f"{name}.json"
        if path.is_file():
            print(f"{name} is done", file=sys.stderr)
            continue
        print(f"{name}: {ROWS[name][0]}", file=sys.stderr, flush=True)
        result = train_row(name, arguments)
        path.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        print(table_row(result), flush=True)


def table_row(result: Mapping[str, Any]) -> str:
    """One line of the table."""
    test = result["test"]
    low, high = test["intervals"]["bleu"]
    cells = [
        ROWS[result["row"]][0],
        f"{result['parameters']:,}",
        f"{test['bleu']:.1f} ({low:.1f} to {high:.1f})",
        *(_shown(test[key]) for key in ("perplexity", "free_running_perplexity")),
        f"{result['tokens_per_second']:,.0f}",
        f"{result['train_seconds']:.0f}{' *' if result['resumed'] else ''}",
    ]
    return f"| {' | '.join(cells)} |"


def _shown(perplexity: float | None) -> str:
    return "infinite" if perplexity is None else f"{perplexity:,.2f}"


def table(arguments: argparse.Namespace) -> None:
    """Print the finished rows as markdown; exits when they do not compare."""
    results = [
        json.loads(path.read_text(encoding="utf-8"))
        for name in ROWS
        if (path := arguments.output / f"{name}.json").is_file()
    ]
    if not results:
        raise SystemExit(f"{arguments.output} must hold finished rows, but there is none: train some first")
    for key in ("vocabularies", "steps", "seed", "threads"):
        if len({result[key] for result in results}) > 1:
            found = ", ".join(f"{result['row']} {result[key]}" for result in results)
            raise SystemExit(f"all rows must have the same {key}, but they have not: {found}")
    first = results[0]
    print(
        f"{first['steps']} steps of {first['settings']['training.batch_tokens']:,} positions, seed {first['seed']}, "
        f"threads: {first['threads']}, {first['processor']}, torch {first['torch']}; "
        f"BLEU: `{first['test']['signatures']['bleu']}`. * resumed: not the whole time.\n"
    )
    print(f"| {' | '.join(HEADER)} |\n|---|{'---:|' * (len(HEADER) - 1)}")
    print(*map(table_row, results), sep="\n")
    missing = [name for name in ROWS if name not in {result["row"] for result in results}]
    if missing:
        print("not done:", *missing, file=sys.stderr)


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    trainer = commands.add_parser("train", help="train and evaluate rows")
    trainer.add_argument("--only", nargs="+", choices=ROWS, metavar="NAME", help=", ".join(ROWS))
    trainer.add_argument("--steps", type=int, default=STEPS)
    trainer.add_argument("--seed", type=int, default=1)
    trainer.add_argument("--threads", type=int, default=1)
    trainer.add_argument("--device", default="cpu")
    trainer.add_argument("--data", type=Path, metavar="FOLDER", help="default: $SEQWEAVE_DATA, else ../shared/data")
    trainer.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="for trials: every row alike")
    trainer.set_defaults(run=train)
    commands.add_parser("table", help="print the finished rows").set_defaults(run=table)
    for command in commands.choices.values():
        command.add_argument("-o", "--output", type=Path, metavar="DIR", default=Path("runs/family"))
    return parser.parse_args()


if __name__ == "__main__":
    try:
        chosen = parse_arguments()
        chosen.run(chosen)
    except SeqweaveError as problem:
        raise SystemExit(str(problem)) from None
