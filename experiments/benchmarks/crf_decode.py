"""What a CRF costs: batches through a random encoder of MiniLM's size, decoded by softmax and by CRF.

Both decode the same emissions of the same encoder to tags; they take turns batch by batch, and the medians are
compared. Beside it stand the CRF's parts alone: decoding, the confidences of eight spans a row, and the loss with
its gradient.

    python experiments/benchmarks/crf_decode.py
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf

from tfdomain.encoders.config import EncoderConfig
from tfdomain.encoders.encoder import Encoder
from tfdomain.models.crf import LinearChainCRF
from tfdomain.models.tag_moves import tag_names

BATCH, VOCABULARY, SPANS = 32, 30522, 8


def new_encoder() -> Encoder:
    """Random weights in the sizes of all-MiniLM-L6-v2."""
    sizes = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536, "vocab_size": VOCABULARY}
    return Encoder(EncoderConfig(**sizes), pooler=False, seed=0)


def medians(functions: dict[str, Callable], rounds: int) -> dict[str, float]:
    """The median milliseconds of each function, which take turns."""
    times: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(rounds + 2):
        for name, function in functions.items():
            start = time.perf_counter()
            tf.nest.map_structure(lambda tensor: tensor.numpy(), function())
            if turn > 1:  # the first ones trace and warm up
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def whole_batches(encoder: Encoder, types: int, length: int) -> dict[str, Callable]:
    """Tokens to tags, by softmax and by CRF."""
    crf = LinearChainCRF(tag_names([f"type{number}" for number in range(types)]))
    head = keras.layers.Dense(len(crf.tags), dtype="float32")
    token_ids = tf.constant(np.random.default_rng(0).integers(1, VOCABULARY, (BATCH, length)), tf.int32)
    mask = tf.ones_like(token_ids)

    def emissions(token_ids):
        return head(encoder({"token_ids": token_ids, "padding_mask": mask}))

    by_softmax = tf.function(lambda ids: tf.argmax(tf.nn.softmax(emissions(ids)), axis=-1, output_type=tf.int32))
    by_crf = tf.function(lambda ids: crf.decode(emissions(ids), mask))
    return {"softmax": lambda: by_softmax(token_ids), "crf": lambda: by_crf(token_ids)}


def parts(types: int, length: int) -> dict[str, Callable]:
    """The CRF alone."""
    crf = LinearChainCRF(tag_names([f"type{number}" for number in range(types)]))
    emissions, mask = tf.random.stateless_normal([BATCH, length, len(crf.tags)], [0, 0]), tf.ones([BATCH, length], bool)
    gold = tf.zeros([BATCH, length], tf.int32)
    spans = tf.constant([(row, 4 * k, 4 * k + 1, k % types) for row in range(BATCH) for k in range(SPANS)], tf.int32)

    @tf.function
    def loss():
        with tf.GradientTape() as tape:
            tape.watch(emissions)
            total = tf.reduce_sum(crf.losses(emissions, gold, mask))
        return [tf.convert_to_tensor(each) for each in tape.gradient(total, [emissions, *crf.trainable_variables])]

    return {
        "decode": tf.function(lambda: crf.decode(emissions, mask)),
        "spans": tf.function(lambda: crf.span_log_probabilities(emissions, mask, spans)),
        "loss": loss,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    arguments = parser.parse_args()
    encoder = new_encoder()
    for length in (64, 128):
        for types in (1, 4, 20):
            whole = medians(whole_batches(encoder, types, length), arguments.rounds)
            alone = medians(parts(types, length), arguments.rounds)
            print(
                f"batch {BATCH}, length {length}, {2 * types + 1} tags: "
                f"softmax {whole['softmax']:.0f} ms, CRF {whole['crf']:.0f} ms, "
                f"ratio {whole['crf'] / whole['softmax']:.3f}; alone: decode {alone['decode']:.1f} ms, "
                f"spans {alone['spans']:.1f} ms, loss and gradient {alone['loss']:.1f} ms",
                flush=True,
            )


if __name__ == "__main__":
    main()
