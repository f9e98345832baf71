"""A model that reads frames has no items and no text on its source side: settings about them are refused."""

from __future__ import annotations

from typing import Any

import pytest

from seqweave.config import ModelConfig, build_config
from seqweave.config.data import TextConfig
from seqweave.config.group import BY_FORMAT
from seqweave.errors import ConfigError
from seqweave.model.build import build_model

REFUSED: dict[str, Any] = {
    "model.copy": True,
    "model.input": "one_hot",
    "model.word_dropout": 0.1,
    "model.feature_size": 4,
    "data.joint_vocabulary": True,
    "data.feature_columns": ["3"],
    "data.source.units": "word",
    "data.source.subword_dropout": 0.1,
    "data.source.lowercase": True,
    "data.source.normalize": "nfkc",
    "data.source.max_size": 10,
    "data.source.min_frequency": 2,
    "training.source_vectors": "v.txt",
    "search.replace_unknown": True,
}


def refusal(settings: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        build_config({"model.frame_size": 4, **settings})
    return str(caught.value)


@pytest.mark.parametrize("key", REFUSED)
def test_settings_of_items_and_texts_are_refused(key: str) -> None:
    message = refusal({key: REFUSED[key]})
    assert f"{key}=" in message
    assert f"but model.frame_size=4 reads frames: leave {key} out, or set model.frame_size=0" in message


def test_a_sentence_as_it_is() -> None:
    assert (
        "model.copy=true takes items of the source into the output, but model.frame_size=4 reads frames: "
        "leave model.copy out, or set model.frame_size=0"
    ) in refusal({"model.copy": True})


def test_every_setting_of_the_source_text_is_known() -> None:
    """What a new setting of texts does, it does not do to frames."""
    for name, field in TextConfig.model_fields.items():
        if isinstance(field.default, bool) and field.json_schema_extra != BY_FORMAT:
            assert f"data.source.{name}=" in refusal({f"data.source.{name}": not field.default})


def test_what_stays_possible() -> None:
    build_config({"model.frame_size": 4, "data.target.units": "char", "training.target_vectors": "v.txt"})
    build_config({"model.frame_size": 4, "model.embedding_dropout": 0.1, "model.tie_embeddings": True})


def test_a_network_is_not_built_of_them() -> None:
    with pytest.raises(ConfigError, match="reads frames"):
        build_model(ModelConfig(frame_size=4, copy=True), 0, 9)
