"""Searches of the engine, called as those of `seqweave.search` are: the tests hold one against the other."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, byref, c_char_p, c_size_t, c_void_p
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save

from seqweave.config import ModelConfig
from seqweave.data.source_batch import SourceBatch
from seqweave.engine.library import CError as _Error
from seqweave.engine.library import COptions as Options
from seqweave.engine.library import CResults as _Results
from seqweave.engine.library import CSources as _Sources
from seqweave.engine.library import CTargets as _Targets
from seqweave.model.seq2seq import Seq2Seq
from seqweave.search.beam import beam_search
from seqweave.search.chances import chances_of
from seqweave.search.contract import Searchable
from seqweave.search.filters import constraints
from seqweave.search.found import Found
from seqweave.search.greedy import greedy_search
from seqweave.search.options import SearchOptions
from seqweave.search.sampling import sample_search


class Refused(Exception):  # noqa: N818
    """The engine said no: its status and its sentence."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status, self.text = status, text


class Rules(NamedTuple):
    """The constraints of a search, in ids, as `constraints` takes them."""

    min_length: int = 0
    no_repeat_ngram: int = 0
    forbidden: tuple[int, ...] = ()
    prefix: tuple[int, ...] = ()
    max_length: int | None = None


FREE = Rules()


class Engine:
    """Open models of the engine, as one.

    Args:
        library: the compiled engine.
        networks: networks of torch with their configs; several act as one.
    """

    def __init__(self, library: ctypes.CDLL, *networks: tuple[Seq2Seq, ModelConfig]):
        self._library = library
        library.sw_close.argtypes = library.sw_results_close.argtypes = [c_void_p]
        self._models = (c_void_p * len(networks))()
        for place, (network, config) in enumerate(networks):
            self._models[place] = self._opened(network, config)

    def _opened(self, network: Seq2Seq, config: ModelConfig) -> int | None:
        settings = config.model_dump_json().encode()
        weights = save({name: tensor.contiguous() for name, tensor in network.state_dict().items()})
        model, error = c_void_p(), _Error()
        sized = (c_char_p(settings), c_size_t(len(settings)), c_char_p(weights), c_size_t(len(weights)))
        status = self._library.sw_open(*sized, 0, byref(model), byref(error))
        _check(status, error)
        return model.value

    def close(self) -> None:
        """Give the memory of the models back."""
        for model in self._models:
            self._library.sw_close(model)

    def search(
        self,
        source: SourceBatch,
        limits: Sequence[int],
        options: SearchOptions,
        rules: Rules = FREE,
        changed: dict[str, Any] | None = None,
    ) -> list[list[Found]]:
        """What `searched` does; `changed` sets fields of `sw_options` to what no `SearchOptions` may hold."""
        sources, kept = _sources(source)
        native, more = _options(options, rules, source, limits)
        for name, value in (changed or {}).items():
            setattr(native, name, value)
        ends = np.array(limits, dtype=np.uintp)
        results, error = POINTER(_Results)(), _Error()
        asked = (self._models, c_size_t(len(self._models)), byref(sources), c_void_p(ends.ctypes.data))
        status = self._library.sw_search(*asked, byref(native), byref(results), byref(error))
        del kept, more
        return self._read(status, results, error)

    def score(self, source: SourceBatch, targets: Sequence[Sequence[int]], options: SearchOptions) -> list[Found]:
        """What `force_score` does."""
        sources, kept = _sources(source)
        lengths = np.array([len(one) for one in targets], dtype=np.uintp)
        ids = np.array([id_ for one in targets for id_ in one], dtype=np.int32)
        given = _Targets(lengths.ctypes.data, ids.ctypes.data)
        native, more = _options(options, FREE, source, [])
        results, error = POINTER(_Results)(), _Error()
        asked = (self._models, c_size_t(len(self._models)), byref(sources), byref(given))
        status = self._library.sw_score_targets(*asked, byref(native), byref(results), byref(error))
        del kept, more
        return [one for (one,) in self._read(status, results, error)]

    def _read(self, status: int, results: Any, error: _Error) -> list[list[Found]]:
        _check(status, error)
        read = results.contents
        found = [
            [_found(read, output) for output in range(read.begins[source], read.begins[source + 1])]
            for source in range(read.sources)
        ]
        self._library.sw_results_close(results)
        return found


def _check(status: int, error: _Error) -> None:
    if status:
        raise Refused(status, error.text.decode())


def _sources(source: SourceBatch) -> tuple[_Sources, tuple[Any, ...]]:
    lengths = source.lengths.tolist()
    parts = []
    for part in (source.values, source.copies):
        rows = [] if part is None else [row[:length] for row, length in zip(part.numpy(), lengths, strict=True)]
        parts.append(np.concatenate([np.zeros(0), *rows]).astype(np.int32))
    sizes = np.array(lengths, dtype=np.uintp)
    copies = None if source.copies is None else parts[1].ctypes.data
    return _Sources(len(lengths), sizes.ctypes.data, parts[0].ctypes.data, copies), (parts, sizes)


def _options(
    options: SearchOptions, rules: Rules, source: SourceBatch, limits: Sequence[int]
) -> tuple[Options, tuple[Any, ...]]:
    forbidden, prefix = (np.array(ids, dtype=np.int32) for ids in (rules.forbidden, rules.prefix))
    chances = np.zeros(0)
    if options.sample:
        rows = zip(_parts(source), limits, strict=True)
        draws = range(options.n_best)
        each = [chances_of(parts, limit, options.seed, draw) for parts, limit in rows for draw in draws]
        chances = np.concatenate([chances, *each])
    native = Options(
        beam_size=options.beam_size,
        n_best=options.n_best,
        length_penalty=options.length_penalty,
        coverage_penalty=options.coverage_penalty,
        stop=int(options.stop == "proven"),
        min_length=rules.min_length,
        max_length=rules.max_length or 0,
        no_repeat_ngram=rules.no_repeat_ngram,
        forbidden=forbidden.ctypes.data,
        forbidden_count=len(forbidden),
        prefix=prefix.ctypes.data,
        prefix_length=len(prefix),
        sample=int(options.sample),
        temperature=options.temperature,
        top_p=options.top_p,
        top_k=options.top_k,
        chances=chances.ctypes.data,
        return_attention=int(options.return_attention),
    )
    return native, (forbidden, prefix, chances)


def _parts(source: SourceBatch) -> list[list[Any]]:
    """What the chances of each source are keyed by."""
    given = [part.numpy() for part in (source.values, source.copies) if part is not None]
    return [[part[row, :length] for part in given] for row, length in enumerate(source.lengths.tolist())]


def _found(results: _Results, output: int) -> Found:
    begin, end = results.first[output], results.first[output + 1]
    finished = bool(results.finished[output])
    attention = None
    if results.attention:
        width = results.width
        flat = results.attention[begin * width : end * width]
        attention = np.array(flat, dtype=np.float32).reshape(end - begin, width)
    return Found(
        ids=results.ids[begin : end - finished],
        score=results.scores[output],
        log_prob=results.log_probs[output],
        token_log_probs=results.token_log_probs[begin:end],
        finished=finished,
        attention=attention,
    )


def searched(
    network: Searchable, source: SourceBatch, limits: Sequence[int], options: SearchOptions, rules: Rules = FREE
) -> list[list[Found]]:
    """The search of torch that options ask for; see `seqweave.search.batches`."""
    ends, filters = torch.tensor(limits), constraints(*rules).steps
    if options.sample:
        draws = [sample_search(network, source, ends, options, filters, draw) for draw in range(options.n_best)]
        return [list(each) for each in zip(*draws, strict=True)]
    if options.beam_size == 1:
        return [[one] for one in greedy_search(network, source, ends, options, filters)]
    return beam_search(network, source, ends, options, filters)
