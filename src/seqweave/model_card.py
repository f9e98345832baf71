"""The model card: the README.md of a model folder, in markdown, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seqweave.config import Config, ModelConfig, SearchConfig
from seqweave.evaluation.metrics import Metrics
from seqweave.evaluation.report import metrics_markdown
from seqweave.wording import stopped_text


def unfinished_card(config: Config, facts: Mapping[str, Any], parameters: int, step: int, best_step: int) -> str:
    """The README.md of a folder whose training was stopped at a step: what the model is, and that it is unfinished."""
    assert config.training.max_steps is not None
    return f"""# An unfinished seqweave model

Its training was {stopped_text(step, config.training.max_steps)}; the weights are those of step {best_step:,}.
The same `seqweave train` command finishes it.

{_origin(config, facts, parameters)}
Figures of the validations so far are in `events.jsonl`.
"""


def model_card(
    metrics: Metrics, config: Config, facts: Mapping[str, Any], parameters: int, samples: list[dict[str, Any]]
) -> str:
    """The README.md of a model folder: what it is, how it was made, how good it is."""
    rows = "\n".join(f"| {_cell(row['source'])} | {_cell(row['target'])} | {_cell(row['output'])} |" for row in samples)
    return f"""# A seqweave model

{_origin(config, facts, parameters)}

## Figures on the dev pairs

{facts["dev_pairs_used"]:,} of {facts["dev_pairs"]:,} dev pairs, {_decoding(config.search)}.
The weights were selected on these pairs, by their greedy outputs, so expect a little less on new data.

{metrics_markdown(metrics)}

## Samples

| source | target | output |
|---|---|---|
{rows}

## Use

    seqweave predict DIR < {_predict_file(config)}
    seqweave evaluate DIR pairs.tsv
"""


def _origin(config: Config, facts: Mapping[str, Any], parameters: int) -> str:
    """What a model is, and what it was trained on."""
    return f"""{_architecture(config.model)}{_output(config.model)}, {parameters:,} parameters.
Trained on {facts["pairs"]:,} pairs ({facts["source_units"]} to {facts["target_units"]}),
seed {config.training.seed}, precision {config.training.precision}{_earlier_precision(facts)}.
{_start(config, facts)}All settings are in `config.json`, all facts of the run in `run.json`."""


def _start(config: Config, facts: Mapping[str, Any]) -> str:
    """The model that it started from, pairs that were mixed in, and steps that were added; a line for each."""
    lines = []
    if (start := facts.get("start_from")) is not None:
        lines.append(f"It started from the model {start['folder']} (SHA-256 of the weights: {start['sha256']}).")
    if (mixed := facts.get("mixed")) is not None:
        share = f"{100 * config.training.mix_share:g}%"
        lines.append(f"Of every batch, {share} came from {mixed['pairs']:,} other pairs (`{mixed['file']}`).")
    for more in facts.get("extended", []):
        lines.append(f"At step {more['begin']:,}, more steps were added, up to {more['after']:,}.")
    return "".join(f"{line}\n" for line in lines)


def _earlier_precision(facts: Mapping[str, Any]) -> str:
    """What a run trained in before its precision was changed, else nothing."""
    parts = [f"{part['precision']} up to step {part['steps']:,}" for part in facts.get("earlier_precision", [])]
    return f" ({', '.join(parts)})" if parts else ""


def _predict_file(config: Config) -> str:
    """What `predict` reads."""
    columns = config.data.feature_columns
    return (
        f"sources.tsv  # a line: source, tab, column{'s' * (len(columns) > 1)} {', '.join(columns)}"
        if columns
        else "sources.txt"
    )


def _architecture(model: ModelConfig) -> str:
    """An architecture in a few words."""
    if model.encoder == model.decoder == "transformer":
        return f"Transformer ({model.norm}-norm, {model.positions} positions)"
    attention = (
        "no attention" if model.attention == "none" else f"{model.attention} attention ({model.attention_position})"
    )
    if model.encoder == "transformer":
        return f"Transformer encoder, {model.cell.upper()} decoder, {attention}"
    if model.decoder == "transformer":
        return f"{model.cell.upper()} encoder, Transformer decoder"
    return f"{model.cell.upper()} encoder-decoder, {attention}"


def _output(model: ModelConfig) -> str:
    """What outputs are made of, where it is not a softmax over the vocabulary alone."""
    if model.copy:
        return ", copying from the source"
    return ", entmax-1.5 output" if model.output == "entmax15" else ""


def _decoding(search: SearchConfig) -> str:
    """How outputs were made, in a few words."""
    rules = any((search.min_length, search.no_repeat_ngram, search.forbid))
    way = f"drawn (seed {search.seed})" if search.sample else f"beam {search.beam_size}"
    return f"{way}, with constraints" if rules else way


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
