"""Driver of seqweave for the peers' bench: the same command line and the same JSON line as every peer.

    ../shared/bench/peers/run.py train --add ours=$PWD/.venv/bin/python:$PWD/bench/speed/peer_seqweave.py:after

What is measured is the checkout that this file lies in. SEQWEAVE_PEERS names the folder of the peers'
bench (default: ../shared/bench/peers beside the checkout). Variants: see works.py.

train: our own step (collate, forward, backward, clipping, Adam) on the batches of the files, in their
order. Texts become ids on disk before the clock starts, as `seqweave train` does it once for all
epochs; `prepare_seconds` is what that takes for the whole corpus. decode: `Model.predict`, from
texts to texts. cold: `seqweave.load` with its check of every file, and one `predict`.
"""

from __future__ import annotations

import importlib
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


def peers_folder() -> Path:
    """Where the peers' bench is."""
    return Path(os.environ.get("SEQWEAVE_PEERS", ROOT.parent / "shared" / "bench" / "peers"))


def load_common() -> Any:
    """The peers' shared module: command line, clock, JSON line."""
    folder = peers_folder()
    if not (folder / "common.py").is_file():
        sys.exit(f"the peers' bench must be in {folder}, but it is not there: set SEQWEAVE_PEERS to its folder")
    sys.path.append(str(folder))
    return importlib.import_module("common")


def main() -> None:
    """Run one task of the command line."""
    common = load_common()
    # Sets the number of threads in the environment, so torch is imported only afterwards.
    options = common.parse()
    sys.path.insert(0, str(ROOT / "src"))
    from works import WORKS, parse_variant

    try:
        variant = parse_variant(options.variant, WORKS[options.work])
    except ValueError as error:
        sys.exit(str(error))
    options.cell = "-" if variant.decoder == "transformer" else variant.cell
    options.attention = variant.decoder
    {"train": train, "decode": decode, "cold": cold}[options.task](common, options, variant)


def train(common: Any, options: Any, variant: Any) -> None:
    """Train on the first batches of the file; the clock covers those after the warm-up."""
    import torch
    from ours import make_config, make_dataset, make_stepper, read_pairs, run_steps, save_model
    from works import WORKS, settings

    from seqweave.config import build_config
    from seqweave.model.seq2seq import parameter_count

    torch.set_num_threads(options.threads)
    work, device = WORKS[options.work], torch.device("cpu")
    wanted = settings(work, variant)
    name = options.data / common.train_name(options)
    pairs = read_pairs(name.with_name(name.name + ".src"), name.with_name(name.name + ".trg"))
    with tempfile.TemporaryDirectory() as temporary:
        began = time.perf_counter()
        dataset, source, target = make_dataset(pairs, build_config(wanted), Path(temporary) / "ids")
        prepare_seconds = time.perf_counter() - began
        config = make_config(wanted, dataset, device)
        stepper = make_stepper(config, dataset, (source.size, target.size), device, options.seed)
        clock = common.Clock()
        losses, done = run_steps(stepper, options.warmup + options.steps, options.batch, options.lr, clock.mark)
        clock.stop()
        own = sum(int(dataset.target_lengths[data.batches[0]].sum()) for data in done[options.warmup :])
    if options.save:
        save_model(Path(options.save), stepper.model, config, source, target)
    common.report_train(
        options,
        "seqweave",
        clock,
        loss_first=round(losses[0], 3),
        loss_last10=round(sum(losses[-10:]) / len(losses[-10:]), 4),
        params=parameter_count(stepper.model),
        precision=config.training.precision,
        own_trg_tokens=own,
        prepare_seconds=round(prepare_seconds, 3),
        torch=torch.__version__,
    )


def decode(common: Any, options: Any, variant: Any) -> None:
    """Decode the test set after one batch of warm-up; the clock runs from texts to items."""
    import torch
    from ours import decode as run
    from ours import load_model

    torch.set_num_threads(options.threads)
    options.batch = 0 if variant.own_batches else options.batch
    model = load_model(saved(options), options.batch, options.max_len, options.force)
    sources = [" ".join(items) for items in common.test_lines(options)]
    run(model, sources[: options.batch or 64], options.beam, options.batch)
    began = time.perf_counter()
    outputs = run(model, sources, options.beam, options.batch)
    seconds = time.perf_counter() - began
    common.report_decode(options, "seqweave", seconds, outputs, precision=model.precision)


def cold(common: Any, options: Any, variant: Any) -> None:
    """Import, load, check and translate one sentence."""
    import seqweave

    source = " ".join(common.test_lines(options)[0])
    model = seqweave.load(saved(options), "cpu")
    output = model.predict([source], beam_size=options.beam)[0].tokens
    common.report_cold(options, "seqweave", time.perf_counter() - common.T0, output, version=seqweave.__version__)


def saved(options: Any) -> Path:
    """The folder of `--save`, or the end of the program."""
    if not options.save or not Path(options.save).is_dir():
        sys.exit(f"--save must name a model folder written by `train --save`, but it is {options.save}")
    return Path(options.save)


if __name__ == "__main__":
    main()
