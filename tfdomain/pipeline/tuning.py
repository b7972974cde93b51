"""How a `tf.data` of ours is run."""

import tensorflow as tf

__all__ = ["untuned"]


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """The data set, read without the thread that tunes its parallelism meanwhile.

    That thread (`Model::OptimizeLoop` of TensorFlow 2.21) looks for its order to stop and goes to sleep in two steps,
    and misses an order given in between: an iterator that ends then waits until the thread wakes, up to a minute. A
    training was seen to stand still for half a minute between two epochs. `AUTOTUNE` now means one call a core, 16 at
    most.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)
