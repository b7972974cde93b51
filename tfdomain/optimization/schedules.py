"""How the learning rate moves over the steps of a run."""

import keras
import tensorflow as tf

from tfdomain.errors import InputError

__all__ = ["WarmupLinearDecay"]


@keras.saving.register_keras_serializable("tfdomain")
class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly from 0 to `peak` over the warm-up, then falls linearly to 0 at the last step.

    Args:
        peak: The highest learning rate, above 0.
        num_steps: Steps of the whole run, at least 1.
        num_warmup_steps: Steps of the rise, from 0 to `num_steps`.

    Reference:
        Devlin et al. 2019, "BERT: Pre-training of Deep Bidirectional Transformers", appendix A.2.
    """

    def __init__(self, peak: float, num_steps: int, num_warmup_steps: int = 0):
        super().__init__()
        if peak <= 0:
            raise InputError(f"the learning rate is {peak}", mend="give a number above 0")
        if not 0 <= num_warmup_steps <= num_steps:
            raise InputError(
                f"{num_warmup_steps} warm-up steps do not fit into {num_steps} steps",
                mend="lower training.warmup_rate",
            )
        self.peak, self.num_steps, self.num_warmup_steps = peak, num_steps, num_warmup_steps

    def __call__(self, step):
        """The learning rate, float32 scalar, of the update number `step` (from 0)."""
        step = tf.cast(step, tf.float32)
        rising = step / max(self.num_warmup_steps, 1)
        falling = (self.num_steps - step) / max(self.num_steps - self.num_warmup_steps, 1)
        return self.peak * tf.clip_by_value(tf.minimum(rising, falling) if self.num_warmup_steps else falling, 0, 1)

    def get_config(self):
        """The constructor's arguments."""
        return {"peak": self.peak, "num_steps": self.num_steps, "num_warmup_steps": self.num_warmup_steps}
