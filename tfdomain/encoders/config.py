"""What a BERT checkpoint's `config.json` says, as one typed object that honours every field or refuses it.

A field that changes the arithmetic and that this encoder cannot follow is an error that names the field: an
encoder that computes something else than its configuration says is worse than none.
"""

import dataclasses
import json
import math
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from tfdomain.errors import InputError
from tfdomain.files import read_json

__all__ = ["HIDDEN_ACTIVATIONS", "EncoderConfig", "read_config"]

# The names of transformers' activations that have no weights of their own (see `activations.py`).
HIDDEN_ACTIVATIONS = (
    "gelu", "gelu_python", "gelu_new", "gelu_pytorch_tanh", "gelu_python_tanh", "gelu_accurate", "gelu_fast",
    "gelu_10", "quick_gelu", "relu", "relu2", "relu6", "leaky_relu", "silu", "swish", "mish", "hardswish",
    "laplace", "sqrtsoftplus", "tanh", "sigmoid", "linear",
)  # fmt: skip

# Fields that may stand there with these values only, since another value means other arithmetic.
_FIXED: dict[str, tuple] = {
    "model_type": ("bert",),
    "position_embedding_type": ("absolute",),
    "is_decoder": (False,),
    "add_cross_attention": (False,),
    "is_encoder_decoder": (False,),
    "pruned_heads": (None, {}, []),
    "quantization_config": (None,),
}

# Fields that say nothing about what the encoder computes: files, heads, training, wrapping of outputs.
_NEUTRAL = frozenset((
    "_attn_implementation", "_attn_implementation_autoset", "_name_or_path", "_num_labels",
    "architectures", "bad_words_ids", "begin_suppress_tokens", "bos_token_id", "chunk_size_feed_forward",
    "cross_attention_hidden_size", "decoder_start_token_id", "directionality", "diversity_penalty",
    "do_sample", "dtype", "early_stopping", "encoder_no_repeat_ngram_size", "eos_token_id",
    "exponential_decay_length_penalty", "finetuning_task", "forced_bos_token_id", "forced_eos_token_id",
    "gradient_checkpointing", "id2label", "label2id", "language", "length_penalty", "max_length",
    "min_length", "model_max_length", "name", "no_repeat_ngram_size", "num_beam_groups", "num_beams",
    "num_labels", "num_return_sequences", "output_attentions", "output_hidden_states", "output_past",
    "output_scores", "pooler_fc_size", "pooler_num_attention_heads", "pooler_num_fc_layers",
    "pooler_size_per_head", "pooler_type", "prefix", "problem_type", "remove_invalid_values",
    "repetition_penalty", "return_dict", "return_dict_in_generate", "sentence_transformers",
    "sep_token_id", "suppress_tokens", "task_specific_params", "temperature", "tf_legacy_loss",
    "tie_encoder_decoder", "tokenizer_class", "top_k", "top_p", "torch_dtype", "torchscript",
    "transformers_version", "typical_p", "use_bfloat16", "use_cache", "xla_device",
))  # fmt: skip

_SIZES = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size",
          "max_position_embeddings", "type_vocab_size")  # fmt: skip
_RATES = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")


@dataclasses.dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    """The sizes and constants of a BERT encoder, under the names and with the defaults of the reference.

    Args:
        vocab_size: Rows of the word table.
        hidden_size: Width of the hidden states; a multiple of `num_attention_heads`.
        num_hidden_layers: Blocks of attention and feed-forward.
        num_attention_heads: Heads of every attention.
        intermediate_size: Width inside the feed-forward part.
        hidden_act: Its activation, one of `HIDDEN_ACTIVATIONS`.
        hidden_dropout_prob: Dropout of the embeddings and of every sub-layer's output, in [0, 1).
        attention_probs_dropout_prob: Dropout of the attention's weights, in [0, 1).
        max_position_embeddings: Rows of the position table: the longest input in tokens.
        type_vocab_size: Rows of the segment table.
        initializer_range: Standard deviation of the (truncated) normal that new weights are drawn from.
        layer_norm_eps: What every layer norm adds to the variance.
        pad_token_id: The token that an absent padding mask is made from, or None: nothing is padding.
        position_embedding_type: `"absolute"`.
        classifier_dropout: Dropout before a task head, or None: `hidden_dropout_prob`.
        tie_word_embeddings: Whether a language model's head uses the word table.

    Raises:
        InputError: A value is of a wrong type, out of its range, or one that this encoder cannot follow.

    Reference: Devlin et al. 2018, "BERT: Pre-training of Deep Bidirectional Transformers for Language
    Understanding" (https://arxiv.org/abs/1810.04805); fields as in transformers' `BertConfig`.
    """

    vocab_size: int = 30522
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = 0
    position_embedding_type: str = "absolute"
    classifier_dropout: float | None = None
    tie_word_embeddings: bool = True

    def __post_init__(self) -> None:
        for name in _SIZES:
            value = getattr(self, name)
            if not _is_integer(value) or value < 1:
                raise _refused(name, value, "a whole number of 1 or more")
        for name in _RATES:
            value = getattr(self, name)
            if value is None and name == "classifier_dropout":
                continue
            if not _is_number(value) or not 0 <= value < 1:
                raise _refused(name, value, "a number from 0 to less than 1")
        for name in ("initializer_range", "layer_norm_eps"):
            value = getattr(self, name)
            if not _is_number(value) or value <= 0:
                raise _refused(name, value, "a number greater than 0")
        pad = self.pad_token_id
        if pad is not None and not (_is_integer(pad) and 0 <= pad < self.vocab_size):
            raise _refused("pad_token_id", pad, f"null or a token from 0 to {self.vocab_size - 1}")
        if self.hidden_act not in HIDDEN_ACTIVATIONS:
            raise _refused("hidden_act", self.hidden_act, ", ".join(HIDDEN_ACTIVATIONS))
        if self.position_embedding_type != "absolute":
            raise _refused("position_embedding_type", self.position_embedding_type, "absolute")
        if not isinstance(self.tie_word_embeddings, bool):
            raise _refused("tie_word_embeddings", self.tie_word_embeddings, "true or false")
        if self.hidden_size % self.num_attention_heads:
            choices = f"a multiple of num_attention_heads, which is {self.num_attention_heads}"
            raise _refused("hidden_size", self.hidden_size, choices)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Reads the content of a Hugging Face `config.json`; an absent field has the reference's default.

        Fields that do not touch the encoder's arithmetic (labels, versions, generation, ...) are passed over.
        A field that nobody here knows is passed over with a warning that names it.

        Raises:
            InputError: A field has a value that this encoder cannot follow; the message names the field.
        """
        if not isinstance(fields, Mapping):
            raise InputError(f"the configuration is a {type(fields).__name__}", mend="give an object of fields")
        for name, allowed in _FIXED.items():
            if name in fields and fields[name] not in allowed:
                raise _refused(name, fields[name], _shown(allowed[0]))
        own = {field.name for field in dataclasses.fields(cls)}
        config = cls(**{name: value for name, value in fields.items() if name in own})
        # ELECTRA-like checkpoints embed in another width; spelled out and equal, it changes nothing.
        if fields.get("embedding_size", config.hidden_size) != config.hidden_size:
            raise _refused("embedding_size", fields["embedding_size"], f"hidden_size, which is {config.hidden_size}")
        unknown = sorted(set(fields) - own - set(_FIXED) - _NEUTRAL - {"embedding_size"})
        if unknown:
            warnings.warn(
                f"the configuration has fields that tfdomain neither knows nor uses: {', '.join(unknown)}",
                stacklevel=2,
            )
        return config

    def to_dict(self) -> dict[str, Any]:
        """The fields of a `config.json`, with `model_type`; `from_dict` gives back an equal object."""
        return {"model_type": "bert"} | dataclasses.asdict(self)

    def with_dropout_rate(self, rate: float | None) -> Self:
        """The same configuration with every dropout rate, the head's too, at `rate`; None leaves them."""
        if rate is None:
            return self
        if not _is_number(rate) or not 0 <= rate < 1:
            raise _refused("dropout_rate", rate, "null or a number from 0 to less than 1")
        return dataclasses.replace(
            self, hidden_dropout_prob=rate, attention_probs_dropout_prob=rate, classifier_dropout=rate
        )


def read_config(folder: str | os.PathLike) -> EncoderConfig:
    """Reads `config.json` in a checkpoint's folder.

    Raises:
        InputError: The file is missing, is not JSON, or has a field that this encoder cannot follow.
    """
    path = Path(folder) / "config.json"
    fields = read_json(path)
    try:
        return EncoderConfig.from_dict(fields)
    except InputError as error:
        where = str(path) if error.where is None else f"{path}: {error.where}"
        raise InputError(error.problem, where=where, mend=error.mend) from None


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return (_is_integer(value) or isinstance(value, float)) and math.isfinite(value)


def _shown(value: Any) -> str:
    return json.dumps(value).strip('"')


def _refused(name: str, value: Any, choices: str) -> InputError:
    return InputError(f"{value!r} is not supported", where=name, mend=f"this encoder takes {choices}")
