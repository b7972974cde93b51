"""A configuration is honoured field by field, or refused by name."""

import json
import warnings

import pytest

from tfdomain.encoders.config import EncoderConfig, read_config
from tfdomain.errors import InputError


def test_defaults_are_those_of_the_reference():
    transformers = pytest.importorskip("transformers")
    reference, own = transformers.BertConfig().to_dict(), EncoderConfig().to_dict()
    assert {name: reference.get(name, own[name]) for name in own} == own


def test_dictionary_round_trip():
    config = EncoderConfig(hidden_size=24, num_attention_heads=6, hidden_act="relu", pad_token_id=None)
    assert EncoderConfig.from_dict(config.to_dict()) == config
    assert config.to_dict()["model_type"] == "bert"
    json.dumps(config.to_dict(), allow_nan=False)


@pytest.mark.parametrize(
    "field, value, named",
    [
        ("model_type", "roberta", "bert"),
        ("position_embedding_type", "relative_key", "absolute"),
        ("position_embedding_type", "alibi", "absolute"),
        ("is_decoder", True, "false"),
        ("add_cross_attention", True, "false"),
        ("hidden_act", "geglu", "gelu"),
        ("hidden_act", ["gelu"], "gelu"),
        ("hidden_size", 770, "num_attention_heads"),
        ("hidden_size", "768", "whole number"),
        ("hidden_size", 0, "1 or more"),
        ("num_hidden_layers", True, "whole number"),
        ("num_hidden_layers", 2.0, "whole number"),
        ("hidden_dropout_prob", 1.0, "less than 1"),
        ("attention_probs_dropout_prob", -0.1, "from 0"),
        ("hidden_dropout_prob", None, "from 0"),
        ("layer_norm_eps", 0, "greater than 0"),
        ("layer_norm_eps", float("nan"), "greater than 0"),
        ("initializer_range", "0.02", "greater than 0"),
        ("pad_token_id", 30522, "30521"),
        ("pad_token_id", -1, "null"),
        ("tie_word_embeddings", "yes", "true or false"),
        ("pruned_heads", {"0": [1]}, "null"),
        ("quantization_config", {"bits": 8}, "null"),
        ("embedding_size", 128, "768"),
    ],
)
def test_refused_values_are_named(field, value, named):
    with pytest.raises(InputError) as caught:
        EncoderConfig.from_dict({field: value})
    message = str(caught.value)
    assert message.startswith(f"{field}: {value!r}") and named in message


def test_fields_without_arithmetic_are_passed_over():
    fields = {"id2label": {"0": "A"}, "use_cache": True, "torch_dtype": "float16", "architectures": ["BertModel"]}
    fields |= {"transformers_version": "4.8.2", "pooler_type": "first_token_transform", "embedding_size": 768}
    fields |= {"chunk_size_feed_forward": 64, "gradient_checkpointing": True, "pruned_heads": {}}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert EncoderConfig.from_dict(fields) == EncoderConfig()


def test_fields_of_the_references_own_file_are_all_known():
    transformers = pytest.importorskip("transformers")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EncoderConfig.from_dict(transformers.BertConfig(num_labels=5).to_dict())


def test_unknown_fields_are_warned_of_by_name():
    with pytest.warns(UserWarning, match="alpha_scaling, rope_theta"):
        EncoderConfig.from_dict({"rope_theta": 10000, "alpha_scaling": 2})


def test_dropout_rate_sets_every_rate():
    config = EncoderConfig(classifier_dropout=0.3)
    assert config.with_dropout_rate(None) == config
    changed = config.with_dropout_rate(0.25)
    assert changed.hidden_dropout_prob == changed.attention_probs_dropout_prob == changed.classifier_dropout == 0.25
    with pytest.raises(InputError, match="dropout_rate"):
        config.with_dropout_rate(1.5)


@pytest.mark.parametrize(
    "content, named",
    [(None, "no such file"), ("{", "not JSON"), ("[1]", "list"), ('{"hidden_act": "none"}', "hidden_act")],
)
def test_bad_files_are_named(tmp_path, content, named):
    path = tmp_path / "config.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=named) as caught:
        read_config(tmp_path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
