"""Time, memory and size of a trace, on fresh weights. Time and memory do not depend on what is learned; zlib makes the
JSON of a model that has learned something less small, by about a fifth.

    OMP_NUM_THREADS=1 python bench/trace/run.py [--length 60] [--hidden 512]

The model is an LSTM with 2 x HIDDEN/2 encoder units, HIDDEN decoder units and 5,000 target entries, which never
ends by itself: source and output have LENGTH items. Targets: 60 x 60 at 512 units below 300 ms on one core,
and about 0.25 MB of JSON for 30 x 30 of a trained model.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tracemalloc

import torch

import seqweave
from seqweave.config import build_config
from seqweave.inspection.trace_json import trace_to_json
from seqweave.model.build import build_model
from seqweave.predictor import Model
from seqweave.text.tokenizers import train_tokenizer
from seqweave.text.vocabulary import EOS

ENTRIES = 5000


def make_model(length: int, hidden: int) -> Model:
    """A model of words w0, w1, ... whose outputs are cut at `length`."""
    config = build_config(
        {
            "data.source.units": "space",
            "data.target.units": "space",
            "model.embedding_size": hidden // 2,
            "model.encoder_hidden_size": hidden // 2,
            "model.decoder_hidden_size": hidden,
            "search.max_length": length,
            "search.max_length_ratio": 10.0,
        }
    )
    words = " ".join(f"w{number}" for number in range(ENTRIES))
    tokenizer = train_tokenizer([words], config.data.source)
    torch.manual_seed(1)
    network = build_model(config.model, tokenizer.size, tokenizer.size)
    with torch.no_grad():
        network.output.bias[EOS] = -100.0
    return Model(network.eval(), tokenizer, tokenizer, config)


def main() -> None:
    """Print milliseconds (median and least of several), peak memory of arrays, and megabytes of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--length", type=int, default=60)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--beam-size", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(1)
    model = make_model(given.length, given.hidden)
    source = " ".join(f"w{number * 7}" for number in range(given.length))
    target = " ".join(f"w{number * 11}" for number in range(given.length - 1))
    for name, reference in (("free", None), ("with a target", target)):
        seconds = []
        for _ in range(given.repeats + 1):
            started = time.perf_counter()
            trace = seqweave.trace(model, source, reference, given.beam_size)
            seconds.append(time.perf_counter() - started)
        plain = []
        for _ in range(given.repeats):
            started = time.perf_counter()
            model.predict([source], beam_size=given.beam_size)
            plain.append(time.perf_counter() - started)
        tracemalloc.start()
        text = trace_to_json(trace)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"{name}: {len(trace.source.tokens)} x {len(trace.steps.tokens)} at {given.hidden}: "
            f"{1000 * statistics.median(seconds[1:]):.0f} ms (least {1000 * min(seconds[1:]):.0f}; "
            f"predict {1000 * statistics.median(plain):.0f}), JSON {len(text) / 1e6:.2f} MB "
            f"(full {len(trace_to_json(trace, full=True)) / 1e6:.2f}), writing it takes {peak / 1e6:.0f} MB"
        )


if __name__ == "__main__":
    main()
