"""From texts to texts: a trained network with its tokenizers, and how it is loaded.

`Model` makes batches of texts of similar length, lets the search run and gives the results back in
the order of the texts. A result does not depend on what else is in the call.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from seqweave.config import Config, build_config
from seqweave.data.copying import Coded, CopyCoder, plain_sources
from seqweave.device import choose_device
from seqweave.errors import ConfigError, DataError, ModelFolderError
from seqweave.folder import CONFIG, FEATURES, WEIGHTS, check_manifest, load_weights, read_config, read_tokenizers
from seqweave.model.build import build_model
from seqweave.model.ensemble import Averaged, Ensemble
from seqweave.model.inference import FastSeq2Seq, precision_of, prepared
from seqweave.model.seq2seq import Seq2Seq
from seqweave.search.arguments import kind_of, list_of_pairs, list_of_texts, rows_of_features, whole
from seqweave.search.batches import Batches, Wanted, inference
from seqweave.search.beam import check_sizes
from seqweave.search.constraints import Constraints, Rules
from seqweave.search.contract import Found
from seqweave.search.ensembles import check_vocabularies, combined_config
from seqweave.search.hypothesis import Hypothesis, Shown, hypothesis_of, nothing
from seqweave.search.sampling import Sampling
from seqweave.search.unknown import replaces_unknown
from seqweave.text.features import FeaturedTokenizer
from seqweave.text.tokenizers import Tokenizer
from seqweave.text.vocabulary import UNK

if TYPE_CHECKING:
    from seqweave.inspection.trace import Trace

_LOGGER = logging.getLogger("seqweave")
_Searched = Seq2Seq | FastSeq2Seq | Ensemble | Averaged


class Model:
    """A network with its tokenizers and its config.

    Args:
        network: the trained network, or an ensemble of some; it is moved to `device`.
        source_tokenizer, target_tokenizer: text to ids and back.
        config: `config.search` has the defaults of decoding.
        device: where to compute.

    Attributes:
        quiet: no warning of features of sources that the model does not know, or of a precision that is not to be had.
    """

    def __init__(
        self,
        network: Seq2Seq | Ensemble,
        source_tokenizer: Tokenizer,
        target_tokenizer: Tokenizer,
        config: Config,
        device: torch.device | str = "cpu",
    ):
        self.device = torch.device(device)
        self.network: Seq2Seq | Ensemble = network.to(self.device)
        self._prepared: tuple[object, _Searched] | None = None
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.config = config
        self.quiet = False
        self._coder = CopyCoder(source_tokenizer, target_tokenizer) if config.model.copy else None

    @property
    def single(self) -> Seq2Seq:
        """The one network, to look into.

        Raises:
            ConfigError: when this is an ensemble.
        """
        if isinstance(self.network, Ensemble):
            raise ConfigError(
                f"only one network can be looked into, but this model is an ensemble of {len(self.network.networks)}: "
                "load one of the folders alone"
            )
        return self.network

    @property
    def precision(self) -> str:
        """What the matrix products of a search are computed in here: fp32 or int8."""
        return precision_of(self.searched())

    def predict(
        self,
        texts: Iterable[str],
        *,
        features: Iterable[str | Sequence[str]] | None = None,
        beam_size: int | None = None,
        sampling: Sampling | None = None,
        constraints: Constraints | None = None,
        replace_unknown: bool | None = None,
        return_attention: bool = False,
    ) -> list[Hypothesis]:
        """The best output of each text, in order; an empty text gives an empty output.

        Args:
            texts: sources; an iterator is read to its end first.
            features: of each text, for a model with `data.feature_columns`: the cell of the one column as text
                (`V;PST`), or a list with a cell for each column. Without them, each of `texts` holds its cells
                itself, after tabs. Features the model does not know are left out, with a warning that counts them.
            beam_size: hypotheses kept a sentence, at most 1000; 1 is greedy; None takes `config.search.beam_size`.
            sampling: draw the output instead of searching the best one; leave beam_size out then. Without either,
                `config.search.sample` decides.
            constraints: what outputs may be; None takes those of `config.search`. An empty text gives an empty
                output all the same.
            replace_unknown: put the source item with most attention in the place of each `<unk>`; None takes
                `config.search.replace_unknown`.
            return_attention: also give attention weights.

        Raises:
            ConfigError: when beam_size is out of its range, texts is no list of texts, features do not fit
                the texts or the model, the target vocabulary lacks what a constraint names, or replace_unknown
                has no attention to follow.
            DataError: when a text lacks its columns of features.
            SeqweaveError: when the network gives NaN.
        """
        results = self.predict_n_best(
            texts,
            features=features,
            n_best=1,
            beam_size=beam_size,
            sampling=sampling,
            constraints=constraints,
            replace_unknown=replace_unknown,
            return_attention=return_attention,
        )
        return [hypotheses[0] for hypotheses in results]

    def predict_n_best(
        self,
        texts: Iterable[str],
        *,
        n_best: int,
        features: Iterable[str | Sequence[str]] | None = None,
        beam_size: int | None = None,
        sampling: Sampling | None = None,
        constraints: Constraints | None = None,
        replace_unknown: bool | None = None,
        return_attention: bool = False,
    ) -> list[list[Hypothesis]]:
        """The `n_best` outputs of each text, best first; fewer where there are no more.

        With `sampling`, `n_best` draws of each text as they come: the first is that of `predict`, and two may
        be the same.

        Raises:
            ConfigError: as `predict`, and when n_best is not between 1 and beam_size.
            SeqweaveError: when the network gives NaN.
        """
        texts = self._with_features(list_of_texts(texts), features)
        if sampling is not None and beam_size is not None:
            raise ConfigError(f"beam_size must be left out with sampling, but it is {beam_size}: choose one of the two")
        search = self.config.search
        if search.sample and beam_size is None and sampling is None:
            sampling = Sampling.of(search)
        size = search.beam_size if beam_size is None else whole("beam_size", beam_size)
        if sampling is not None:
            size = 1
        check_sizes(whole("n_best", n_best), size if sampling is None else max(1, n_best))
        rules = self.rules(constraints)
        replacing = replaces_unknown(self.config, replace_unknown)
        wanted = Wanted(size, n_best, sampling, rules, return_attention or replacing)
        coded = self._encode_sources(texts)
        with inference(self.network):
            found = self._batches().find(self.searched(), coded.codes, wanted)
        results = []
        for text, ids, extra, each in zip(texts, coded.codes, coded.extra, found, strict=True):
            shown = Shown(self._source_tokens(text, ids), extra, text if replacing else None, return_attention)
            results.append([self._hypothesis(one, shown) for one in each] if ids else [nothing(return_attention)])
        return results

    def score(
        self,
        pairs: Iterable[tuple[str, str]],
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
        pairs = list_of_pairs(pairs)
        texts = self._with_features([source for source, _ in pairs], features)
        coded = self._encode_sources(texts)
        sources, targets = coded.codes, self.encode_targets([target for _, target in pairs], coded)
        for number, ids in enumerate(sources, 1):
            if not ids:
                raise DataError(
                    f"pair {number} of {len(pairs)} must have a source, but it is empty: leave the pair out"
                )
        with inference(self.network):
            found = self._batches().force(self.network, sources, targets, return_attention)
        return [
            self._hypothesis(one, Shown(self._source_tokens(text, ids), extra, None, return_attention))
            for text, ids, extra, one in zip(texts, sources, coded.extra, found, strict=True)
        ]

    def trace(
        self,
        source: str,
        target: str | None = None,
        beam_size: int = 5,
        *,
        features: str | Sequence[str] | None = None,
    ) -> Trace:
        """Everything the model does with one source, to look at; see `seqweave.inspection.trace`.

        Args:
            source: a text.
            target: a reference, for the teacher-forced twin.
            beam_size: hypotheses kept; 1 is greedy.
            features: of the source, as `predict` takes them of each; they are items before those of the text.

        Raises:
            ConfigError: when beam_size is out of its range, source is no text, or features do not fit the model.
            DataError: when the source is empty, or lacks its columns of features.
            SeqweaveError: when the network gives NaN.
        """
        for name, text in (("source", source), ("target", target)):
            if not isinstance(text, str) and not (name == "target" and text is None):
                raise ConfigError(f"{name} must be a text, but it is {kind_of(text)}: give one text")
        beam_size = whole("beam_size", beam_size)
        from seqweave.inspection.tracing import trace_model

        [source] = self._with_features([source], None if features is None else [features])
        return trace_model(self, source, target, beam_size=beam_size)

    def rules(self, constraints: Constraints | None = None) -> Rules | None:
        """What outputs may be, in ids: constraints (None: those of `config.search`), and one item of a label.

        Raises:
            ConfigError: when the target vocabulary lacks what a constraint names, or a label is to have several items.
        """
        constraints = Constraints.of(self.config.search) if constraints is None else constraints
        rules = None if constraints == Constraints() else constraints.rules(self.target_tokenizer)
        if self.target_tokenizer.units == "label":
            if constraints.min_length > 1:
                raise ConfigError(
                    f"min_length must be at most 1 for a model that puts out labels, which are one item each, but it "
                    f"is {constraints.min_length}: leave it out"
                )
            rules = replace(rules or Rules(), min_length=1, max_length=1)
        return rules

    def _with_features(self, texts: list[str], features: Iterable[str | Sequence[str]] | None) -> list[str]:
        """The texts with their cells of features after them."""
        if features is None:
            return texts
        columns = self.config.data.feature_columns
        return [
            "\t".join((text, *cells))
            for text, cells in zip(texts, rows_of_features(features, columns, len(texts)), strict=True)
        ]

    def encode_sources(self, texts: Sequence[str]) -> Coded:
        """Sources as the network takes them, cut to the longest source of the config."""
        most = self.config.data.max_source_length
        if self._coder is None:
            return plain_sources(self.source_tokenizer, list(texts), most)
        return self._coder.sources(list(texts), most)

    def encode_targets(self, texts: Sequence[str], sources: Coded) -> list[list[int]]:
        """Targets of these sources as ids, without `<eos>`; of a model that copies they are extended ids."""
        if self._coder is None:
            return self.target_tokenizer.encode_batch(list(texts))
        return self._coder.targets(list(texts), sources.extra)

    def _encode_sources(self, texts: Sequence[str]) -> Coded:
        """As `encode_sources`, and says what was left out; none for a text of nothing but blanks."""
        coded = self.encode_sources(texts)
        if isinstance(self.source_tokenizer, FeaturedTokenizer) and not self.quiet:
            unknown, total = self.source_tokenizer.unknown_features(texts)
            if unknown:
                _LOGGER.warning("%d of %d features are not known to the model, and were left out", unknown, total)
        if coded.long:
            _LOGGER.warning(
                "%d of %d sources have more than %d items (data.max_source_length); the rest of them was cut off",
                coded.long,
                len(texts),
                self.config.data.max_source_length,
            )
        codes = [ids if text.strip() else [] for text, ids in zip(texts, coded.codes, strict=True)]
        return replace(coded, codes=codes)

    def _source_tokens(self, text: str, codes: list[int]) -> list[str]:
        """Display names of what the network reads; an unknown item as its text."""
        ids = codes if self._coder is None else self._coder.read(codes)
        return self.source_tokenizer.tokens(text)[: len(ids)] if UNK in ids else self.source_tokenizer.names(ids)

    def _hypothesis(self, found: Found, shown: Shown) -> Hypothesis:
        return hypothesis_of(found, shown, self.source_tokenizer, self.target_tokenizer)

    def _batches(self) -> Batches:
        return Batches(self.config.search, self.device, self.target_tokenizer.size)

    def searched(self) -> _Searched:
        """The network with weights prepared for search, made again when weights or `search.precision` are others."""
        wanted = self.config.search.precision
        marks = (wanted, [(part.data_ptr(), part._version) for part in self.network.parameters()])
        if self._prepared is None or self._prepared[0] != marks:
            self._prepared = marks, prepared(self.network, int8=wanted == "int8")
            if self.precision != wanted and not self.quiet:
                _LOGGER.warning(
                    "search.precision is %s, but the matrix products of this model run in %s here",
                    wanted,
                    self.precision,
                )
        return self._prepared[1]


def load(folder: Path | str | Sequence[Path | str], device: str = "auto", *, precision: str | None = None) -> Model:
    """Load a model folder, after checking every file against its manifest; or several as one, an ensemble.

    An ensemble averages the probabilities of its members at every step (`seqweave.model.ensemble`), and decodes
    with the settings of the first.

    Args:
        folder: what `seqweave train -o` wrote, or a list of such folders.
        device: auto, cpu, cuda or mps.
        precision: of decoding, in place of the folder's `search.precision`: fp32 or int8.

    Raises:
        ModelFolderError: when it is not a model folder, or a file is missing, changed or damaged.
        ConfigError: when the device is not there, the precision is another, the list is empty, or vocabularies of
            an ensemble differ.
    """
    model = _load_one(Path(folder), device) if isinstance(folder, Path | str) else _load_ensemble(folder, device)
    if precision is not None:
        model.config = build_config({"search.precision": precision}, model.config)
    return model


def _load_ensemble(paths: Sequence[Path | str], device: str) -> Model:
    folders = [Path(one) for one in paths]
    if not folders:
        raise ConfigError("an ensemble must have at least one model folder, but the list is empty: name its folders")
    models = [_load_one(one, device) for one in folders]
    if len(models) == 1:
        return models[0]
    first = models[0]
    check_vocabularies(folders, [(model.source_tokenizer, model.target_tokenizer) for model in models])
    config = combined_config([model.config for model in models])
    network = Ensemble([model.single for model in models]).eval()
    return Model(network, first.source_tokenizer, first.target_tokenizer, config, first.device)


def _load_one(folder: Path, device: str) -> Model:
    names = check_manifest(folder)
    where = choose_device(device)
    config = read_config(folder)
    if config.data.feature_columns and FEATURES not in names:
        raise ModelFolderError(
            f"the manifest of {folder} must list {FEATURES}, since {CONFIG} has data.feature_columns, but it does not: "
            "restore the folder from a copy, or train again"
        )
    source, target = read_tokenizers(folder, config)
    with torch.random.fork_rng(devices=[]):  # fresh weights are drawn and thrown away; nobody else should notice
        network = build_network(config, source, target)
    load_weights(network, folder / WEIGHTS)
    network.eval()
    return Model(network, source, target, config, where)


def build_network(config: Config, source: Tokenizer, target: Tokenizer) -> Seq2Seq:
    """The network of a config and its tokenizers, with fresh weights; see `seqweave.model.build`."""
    return build_model(config.model, source.size, target.size, source.feature_count)
