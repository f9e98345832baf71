"""From texts to texts: a trained network with its tokenizers, and how it is loaded.

`Model` makes batches of texts of similar length, lets the search run and gives the results back in
the order of the texts. A result does not depend on what else is in the call.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from seqweave.backends.base import Backend, BackendName, Stored
from seqweave.config import Config
from seqweave.data.copying import Coded, CopyCoder
from seqweave.engine import engine_missing
from seqweave.errors import ConfigError, DataError
from seqweave.search.arguments import list_of_pairs, rows_of_features
from seqweave.search.filters import filters_of
from seqweave.search.found import Found, StepFilter
from seqweave.search.given import FrameSources, Given, SourceKind, TextSources
from seqweave.search.hypothesis import Hypothesis, Shown, hypothesis_of, nothing
from seqweave.search.options import SearchOptions
from seqweave.search.unknown import check_replaces_unknown
from seqweave.text.ends import trimmed
from seqweave.text.features import FeaturedTokenizer
from seqweave.text.tokenizers import Tokenizer

if TYPE_CHECKING:
    import torch

    from seqweave.backends.with_engine import EngineBackend
    from seqweave.backends.with_torch import Network, Searched, TorchBackend
    from seqweave.model.seq2seq import Seq2Seq

_LOGGER = logging.getLogger("seqweave")


class Model:
    """A network with its tokenizers and its config.

    Args:
        network: the trained network, or an ensemble of some; it is moved to `device`. Or one that is stored.
        source_tokenizer, target_tokenizer: text to ids and back; a model that reads frames has none for sources.
        config: `config.search` has the defaults of decoding.
        device: where to compute.

    Attributes:
        sources: what it reads, texts or frames.
        quiet: no warning of features of sources that the model does not know, or of a precision that is not to be had.
        tell_done: told after each batch of a search how many sources it had.
    """

    def __init__(
        self,
        network: Network | Stored,
        source_tokenizer: Tokenizer | None,
        target_tokenizer: Tokenizer,
        config: Config,
        device: torch.device | str = "cpu",
    ):
        self._stored = network if isinstance(network, Stored) else None
        self._torch: TorchBackend | None = None
        self._marks: object = None
        self._told = False
        self.backend: BackendName = "auto"
        self._source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.config = config
        self.quiet = False
        self.tell_done: Callable[[int], None] | None = None
        self._coder: CopyCoder | None = None
        self.sources: SourceKind = FrameSources(config.model.frame_size)
        if source_tokenizer is not None:
            self._coder = CopyCoder(source_tokenizer, target_tokenizer) if config.model.copy else None
            self.sources = TextSources(source_tokenizer, self._coder, config.data.trim_ends)
        if not isinstance(network, Stored):
            self._torch = _torch_backend(network, device, target_tokenizer.size)

    @property
    def in_torch(self) -> TorchBackend:
        """The network in torch, made when it is first asked for."""
        if self._torch is None:
            assert self._stored is not None
            network = self._stored.make()
            self._torch = _torch_backend(network, self._stored.device, self.target_tokenizer.size)
            self._marks = self._torch.marks()
        self._torch.quiet = self.quiet
        return self._torch

    @property
    def network(self) -> Network:
        """The network in torch, or an ensemble of some."""
        return self.in_torch.network

    @property
    def device(self) -> torch.device:
        """Where the network in torch is."""
        return self.in_torch.device

    @property
    def source_tokenizer(self) -> Tokenizer:
        """Source texts to ids and back.

        Raises:
            ConfigError: when the model reads frames.
        """
        self.check_reads_text()
        assert self._source_tokenizer is not None
        return self._source_tokenizer

    def check_reads_text(self) -> None:
        """Raise a `ConfigError` when the model reads frames."""
        if self._source_tokenizer is None:
            raise ConfigError(
                f"this model reads frames (model.frame_size={self.config.model.frame_size}), not text: "
                "give it arrays from Python, as Model.predict takes them"
            )

    @property
    def single(self) -> Seq2Seq:
        """The one network, to look into.

        Raises:
            ConfigError: when this is an ensemble.
        """
        from seqweave.model.ensemble import Ensemble

        if isinstance(self.network, Ensemble):
            raise ConfigError(
                f"only one network can be looked into, but this model is an ensemble of {len(self.network.networks)}: "
                "load one of the folders alone"
            )
        return self.network

    @property
    def engine(self) -> EngineBackend | None:
        """The engine, where it is what this model searches and scores with; None: torch is."""
        chosen = self._chosen(self.options, 0)
        return None if chosen is self._torch else cast("EngineBackend", chosen)

    @property
    def precision(self) -> str:
        """What the matrix products of a search are computed in here: fp32 or int8."""
        if self.engine is not None:
            return self.options.precision
        from seqweave.model.optimized import precision_of

        return precision_of(self.searched())

    @property
    def options(self) -> SearchOptions:
        """How this model decodes where a call says nothing; change them with `dataclasses.replace`."""
        return SearchOptions.of(self.config.search)

    def predict(
        self,
        texts: Iterable[Given],
        *,
        features: Iterable[str | Sequence[str]] | None = None,
        options: SearchOptions | None = None,
        beam_size: int | None = None,
        filters: Sequence[StepFilter] | None = None,
        replace_unknown: bool | None = None,
        return_attention: bool = False,
        tabs: bool = False,
    ) -> list[Hypothesis]:
        """The best output of each text, in order, or a draw; an empty text gives an empty output.

        Args:
            texts: sources, for a model that reads frames an array (S, F) each; an iterator is read to its end first.
            features: of each text, for a model with `data.feature_columns`: the cell of the one column as text
                (`V;PST`), or a list with a cell for each column. Without them, each of `texts` holds its cells
                itself, after tabs. Features the model does not know are left out, with a warning that counts them.
            options: how to decode; None takes `self.options`. What follows goes before them.
            beam_size: hypotheses kept a sentence, at most 1000; 1 is greedy. Leave it out to draw outputs.
            filters: functions that see each step before an item is chosen (`seqweave.search.filters`).
            replace_unknown: put the source item with most attention in the place of each `<unk>`.
            return_attention: also give attention weights.
            tabs: whether texts may hold tabs as part of the source, though no source that the model learned from did.

        Raises:
            ConfigError: when an option is out of its range, texts is no list of texts, features do not fit
                the texts or the model, the target vocabulary lacks what a constraint names, or replace_unknown
                has no attention to follow.
            DataError: when a text lacks its columns of features, or has columns that the model does not read.
            SeqweaveError: when the network gives NaN.
        """
        results = self.predict_n_best(
            texts,
            n_best=1,
            features=features,
            options=options,
            beam_size=beam_size,
            filters=filters,
            replace_unknown=replace_unknown,
            return_attention=return_attention,
            tabs=tabs,
        )
        return [hypotheses[0] for hypotheses in results]

    def predict_n_best(
        self,
        texts: Iterable[Given],
        *,
        n_best: int,
        features: Iterable[str | Sequence[str]] | None = None,
        options: SearchOptions | None = None,
        beam_size: int | None = None,
        filters: Sequence[StepFilter] | None = None,
        replace_unknown: bool | None = None,
        return_attention: bool = False,
        tabs: bool = False,
    ) -> list[list[Hypothesis]]:
        """The `n_best` outputs of each text, best first; fewer where there are no more.

        Where outputs are drawn, `n_best` draws of each text as they come: the first is that of `predict`, and two may
        be the same.

        Raises:
            ConfigError: as `predict`, and when n_best is not between 1 and beam_size.
            SeqweaveError: when the network gives NaN.
        """
        given = self.with_features(self.sources.checked(texts, tabs), features)
        if options is not None and options.sample and beam_size is not None:
            raise ConfigError(f"beam_size must be left out with sampling, but it is {beam_size}: choose one of the two")
        options = self.options if options is None else options
        return self._predict(
            given,
            replace(
                options,
                n_best=n_best,
                beam_size=options.beam_size if beam_size is None else beam_size,
                sample=options.sample and beam_size is None,
                filters=options.filters if filters is None else filters,
                replace_unknown=options.replace_unknown if replace_unknown is None else replace_unknown,
                return_attention=options.return_attention or return_attention,
            ),
        )

    def _predict(self, given: list[Any], options: SearchOptions) -> list[list[Hypothesis]]:
        """The outputs of sources; texts hold their features."""
        shown, replacing = options.return_attention, options.replace_unknown
        if replacing:
            check_replaces_unknown(self.config)
            options = replace(options, return_attention=True)
        filters = filters_of(options, self.target_tokenizer)
        coded = self._encode_sources(given)
        found = self._chosen(options, filters.functions).find(coded.sources, options, filters, self.tell_done)
        results = []
        for one, source, extra, each in zip(given, coded.sources, coded.extra, found, strict=True):
            about = Shown(self.sources.names(one, source), extra, one if replacing else None, shown)
            results.append([self._hypothesis(best, about) for best in each] if len(source) else [nothing(shown)])
        return results

    def score(
        self,
        pairs: Iterable[tuple[Given, str]],
        *,
        features: Iterable[str | Sequence[str]] | None = None,
        return_attention: bool = False,
    ) -> list[Hypothesis]:
        """Score known targets by forced decoding, in order; `text` is the target as the model sees it.

        `features` are those of the sources, as in `predict`.

        Raises:
            ConfigError: when pairs is no list of pairs of texts, or features do not fit.
            DataError: when a source is empty.
            SeqweaveError: when the network gives NaN.
        """
        pairs = list_of_pairs(pairs, frames=self._source_tokenizer is None)
        given = self.with_features(self.sources.checked([source for source, _ in pairs]), features)
        coded = self._encode_sources(given)
        targets = self.encode_targets([target for _, target in pairs], coded)
        for number, source in enumerate(coded.sources, 1):
            if not len(source):
                raise DataError(
                    f"pair {number} of {len(pairs)} must have a source, but it is empty: leave the pair out"
                )
        options = replace(self.options, return_attention=return_attention)
        found = self._chosen(options, 0).force(coded.sources, targets, options)
        return [
            self._hypothesis(best, Shown(self.sources.names(one, source), extra, None, return_attention))
            for one, source, extra, best in zip(given, coded.sources, coded.extra, found, strict=True)
        ]

    def trace(
        self,
        source: Given,
        target: str | None = None,
        beam_size: int = 5,
        *,
        features: str | Sequence[str] | None = None,
        options: SearchOptions | None = None,
    ) -> Any:
        """`seqweave.trace` of this model."""
        trace = import_module("seqweave.inspection.tracing").trace  # by name: what looks inside stands on this module
        return trace(self, source, target, beam_size, features=features, options=options)

    def with_features(self, texts: list[Any], features: Iterable[str | Sequence[str]] | None) -> list[Any]:
        """The texts with their cells of features after them.

        Raises:
            ConfigError: when features do not fit the texts or the model.
        """
        if features is None:
            return texts
        columns = self.config.data.feature_columns
        return [
            "\t".join((text, *cells))
            for text, cells in zip(texts, rows_of_features(features, columns, len(texts)), strict=True)
        ]

    def encode_sources(self, given: Sequence[Given]) -> Coded:
        """Sources as the network takes them, cut to the longest source of the config."""
        return self.sources.coded(given, self.config.data.max_source_length)

    def encode_targets(self, texts: Sequence[str], sources: Coded) -> list[list[int]]:
        """Targets of these sources as ids, without `<eos>`; of a model that copies they are extended ids."""
        texts = [self.trimmed(text) for text in texts]
        if self._coder is None:
            return self.target_tokenizer.encode_batch(texts)
        return self._coder.targets(texts, sources.extra)

    def trimmed(self, text: str) -> str:
        """A text without what is invisible at its ends, unless the model is of a format in which that counts."""
        return trimmed(text) if self.config.data.trim_ends else text

    def _encode_sources(self, given: Sequence[Any]) -> Coded:
        """As `encode_sources`, and says what was left out; none for a text of nothing but blanks."""
        coded = self.encode_sources(given)
        if isinstance(self._source_tokenizer, FeaturedTokenizer) and not self.quiet:
            unknown, total = self._source_tokenizer.unknown_features(given)
            if unknown:
                _LOGGER.warning("%d of %d source tags are not known to the model, and were left out", unknown, total)
        if coded.long:
            _LOGGER.warning(
                "%d of %d sources have more than %d items (data.max_source_length); the rest of them was cut off",
                coded.long,
                len(given),
                self.config.data.max_source_length,
            )
        sources = [
            source.first(0) if self.sources.is_empty(one) else source
            for one, source in zip(given, coded.sources, strict=True)
        ]
        return replace(coded, sources=sources)

    def _hypothesis(self, found: Found, shown: Shown) -> Hypothesis:
        return hypothesis_of(found, shown, self._source_tokenizer, self.target_tokenizer)

    def searched(self, precision: str | None = None) -> Searched:
        """The network in torch with weights optimized for search.

        Args:
            precision: fp32 or int8; None takes `config.search.precision`.
        """
        return self.in_torch.searched(precision or self.config.search.precision)

    def _chosen(self, options: SearchOptions, functions: int) -> Backend:
        """The backend of a call with so many step filters of the caller's own.

        Raises:
            ConfigError: when the engine was asked for and cannot do it.
        """
        engine = None if self._stored is None else self._stored.engine
        if engine is not None and self._torch is not None and self._torch.marks() != self._marks:
            engine = None  # somebody has changed the weights in torch
        if self.backend == "torch" or (engine is None and self.backend == "auto"):
            return self.in_torch
        if engine is None:
            missing = engine_missing() or "it runs on processors, and this network was made or changed in torch"
            raise ConfigError(f"backend=engine was asked for, but the engine cannot run this: {missing}")
        if functions and self.backend == "engine":
            raise ConfigError(
                "backend=engine was asked for, but step filters that are Python functions need torch: leave filters "
                "out, or choose backend=auto"
            )
        if functions and not self._told:
            self._told = True
            _LOGGER.info("step filters that are Python functions run through torch, which is slower than the engine")
        return self.in_torch if functions else engine


def _torch_backend(network: Network, device: torch.device | str, target_size: int) -> TorchBackend:
    from seqweave.backends.with_torch import TorchBackend

    return TorchBackend(network, device, target_size)
