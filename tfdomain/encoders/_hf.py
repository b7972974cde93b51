"""How Hugging Face's BERT checkpoints name and lay out tensors: foreign names stand in this file only."""

import dataclasses

import numpy as np

from tfdomain.encoders.config import EncoderConfig

__all__ = [
    "MASKED_LM_HEAD",
    "PREFIX",
    "ForeignTensor",
    "foreign_tensors",
    "is_encoder_tensor",
    "is_ignored",
    "modern_head_name",
    "modern_name",
]

# Models with a head keep the encoder's tensors under this prefix; a bare encoder has none.
PREFIX = "bert."

_EMBEDDINGS = {
    "word_table": "word_embeddings.weight",
    "position_table": "position_embeddings.weight",
    "segment_table": "token_type_embeddings.weight",
    "norm_scale": "LayerNorm.weight",
    "norm_bias": "LayerNorm.bias",
}
_DENSE = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "expand": "intermediate.dense",
    "contract": "output.dense",
}
MASKED_LM_HEAD = {
    "kernel": "cls.predictions.transform.dense.weight",
    "kernel_bias": "cls.predictions.transform.dense.bias",
    "norm_scale": "cls.predictions.transform.LayerNorm.weight",
    "norm_bias": "cls.predictions.transform.LayerNorm.bias",
    "bias": "cls.predictions.bias",
}
"""The tensor of each weight of the head that guesses hidden tokens; only `kernel` is transposed there."""
_NORMS = {"attention_norm": "attention.output.LayerNorm", "norm": "output.LayerNorm"}


@dataclasses.dataclass(frozen=True)
class ForeignTensor:
    """A tensor of a checkpoint: name without prefix, shape there, and whether ours is its transpose."""

    name: str
    shape: tuple[int, ...]
    transposed: bool = False

    def convert(self, array: np.ndarray) -> np.ndarray:
        """Lays an array out as the other side has it; the same both ways, always contiguous."""
        return np.ascontiguousarray(array.T if self.transposed else array)


def foreign_tensors(config: EncoderConfig, *, pooler: bool) -> dict[str, ForeignTensor]:
    """The checkpoint's tensor for each of the encoder's weights, by our name (`block_0/query_kernel`)."""
    hidden, inner = config.hidden_size, config.intermediate_size
    rows = {
        "word_table": config.vocab_size,
        "position_table": config.max_position_embeddings,
        "segment_table": config.type_vocab_size,
    }
    tensors = {
        f"embeddings/{own}": ForeignTensor(f"embeddings.{name}", (rows[own], hidden) if own in rows else (hidden,))
        for own, name in _EMBEDDINGS.items()
    }
    for index in range(config.num_hidden_layers):
        block, layer = f"block_{index}/", f"encoder.layer.{index}."
        for own, name in _DENSE.items():
            outputs, inputs = (inner if own == "expand" else hidden), (inner if own == "contract" else hidden)
            tensors[f"{block}{own}_kernel"] = ForeignTensor(f"{layer}{name}.weight", (outputs, inputs), True)
            tensors[f"{block}{own}_bias"] = ForeignTensor(f"{layer}{name}.bias", (outputs,))
        for own, name in _NORMS.items():
            tensors[f"{block}{own}_scale"] = ForeignTensor(f"{layer}{name}.weight", (hidden,))
            tensors[f"{block}{own}_bias"] = ForeignTensor(f"{layer}{name}.bias", (hidden,))
    if pooler:
        tensors["pooler/dense_kernel"] = ForeignTensor("pooler.dense.weight", (hidden, hidden), True)
        tensors["pooler/dense_bias"] = ForeignTensor("pooler.dense.bias", (hidden,))
    return tensors


def modern_name(name: str) -> str:
    """A tensor's name of today: checkpoints converted from the first BERT release say gamma and beta."""
    for old, new in ((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias")):
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


def modern_head_name(name: str) -> str:
    """A head's tensor by its name of today; the decoder's bias has stood under two."""
    return MASKED_LM_HEAD["bias"] if name == "cls.predictions.decoder.bias" else modern_name(name)


def is_encoder_tensor(name: str) -> bool:
    """Whether a name without prefix belongs to the encoder, not to a head."""
    return name.startswith(("embeddings.", "encoder.", "pooler."))


def is_ignored(name: str) -> bool:
    """Whether a tensor of the encoder is a constant that older versions stored and nobody needs."""
    return name in ("embeddings.position_ids", "embeddings.token_type_ids")
