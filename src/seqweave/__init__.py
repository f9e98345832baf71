"""seqweave: from a file of pairs to a sequence-to-sequence model.

    seqweave.train("pairs.tsv", "model")
    model = seqweave.load("model")
    model.predict(["a text"])

Names are imported when they are first used, so that `import seqweave` loads no torch, and needs none.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from seqweave.wording import missing_library

if TYPE_CHECKING:
    from seqweave.config import Config
    from seqweave.errors import ConfigError, DataError, LimitError, ModelFolderError, SeqweaveError
    from seqweave.evaluation.metrics import Metrics
    from seqweave.inspection.trace import Trace
    from seqweave.inspection.trace_page import save_trace, show_trace
    from seqweave.inspection.tracing import trace
    from seqweave.loading import load
    from seqweave.predictor import Model
    from seqweave.search.hypothesis import Hypothesis
    from seqweave.search.options import SearchOptions
    from seqweave.training.run import TrainResult, train

__version__ = "0.1.0"

__all__ = [
    "Config",
    "ConfigError",
    "DataError",
    "Hypothesis",
    "LimitError",
    "Metrics",
    "Model",
    "ModelFolderError",
    "SearchOptions",
    "SeqweaveError",
    "Trace",
    "TrainResult",
    "__version__",
    "load",
    "save_trace",
    "show_trace",
    "trace",
    "train",
]

_HOMES = {
    "Config": "config",
    "ConfigError": "errors",
    "DataError": "errors",
    "Hypothesis": "search.hypothesis",
    "LimitError": "errors",
    "Metrics": "evaluation.metrics",
    "Model": "predictor",
    "ModelFolderError": "errors",
    "SearchOptions": "search.options",
    "SeqweaveError": "errors",
    "Trace": "inspection.trace",
    "TrainResult": "training.run",
    "load": "loading",
    "save_trace": "inspection.trace_page",
    "show_trace": "inspection.trace_page",
    "trace": "inspection.tracing",
    "train": "training.run",
}


def __getattr__(name: str) -> Any:
    """Import a public name from its module on first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'seqweave' has no attribute {name!r}")
    try:
        value = getattr(import_module(f"seqweave.{_HOMES[name]}"), name)
    except ModuleNotFoundError as error:
        sentence = missing_library(error, f"seqweave.{name}")
        if sentence is None:
            raise
        raise ModuleNotFoundError(sentence, name=error.name) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
