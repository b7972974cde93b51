"""Optimizers that clip after the replicas' gradients are summed, and know BERT's parameter groups.

Keras clips each replica's own gradients before they are summed, which is another update than the
same batch gives on one device; and its AdamW walks over every weight nine times where
TensorFlow has one fused kernel.
"""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf
from keras.initializers import Constant

from tfdomain.errors import InputError
from tfdomain.optimization.exchange import add_over_replicas

__all__ = ["SGD", "AdamW"]

FIRST_LOSS_SCALE = 2.0**15
UPDATES_AT_A_SCALE = 2000
"""After so many updates without an overflow the scale is doubled."""
UNDECAYED = ("bias", "beta", "gamma", "norm")


class _GroupedOptimizer(keras.optimizers.Optimizer):
    """Global-norm clipping, decoupled weight decay and a learning rate of its own for each variable.

    With `scale_losses` it scales the loss for float16 gradients. Keras' own wrapper looks at the gradients before the
    replicas' are summed: one replica then makes an update that another leaves out.
    """

    def __init__(
        self,
        learning_rate,
        *,
        weight_decay: float = 0.0,
        clip_norm: float | None = 1.0,
        undecayed: Sequence[str] = UNDECAYED,
        rate_multipliers: Mapping[str, float] | None = None,
        scale_losses: bool = False,
        name: str,
    ):
        if weight_decay < 0:
            raise InputError(f"weight_decay is {weight_decay}", mend="give 0 or more")
        if clip_norm is not None and clip_norm <= 0:
            raise InputError(f"clip_norm is {clip_norm}", mend="give a number above 0, or None to clip nothing")
        super().__init__(learning_rate=learning_rate, name=name)
        self.decay_rate, self.clip_norm = weight_decay, clip_norm
        self.undecayed, self.rate_multipliers = tuple(undecayed), dict(rate_multipliers or {})
        self.scale_losses = scale_losses

    def build(self, variables):
        """Creates the slots and notes each variable's decay and rate, in the variables' order."""
        if self.built:
            return
        super().build(variables)
        self.gradient_norm = self.add_variable((), initializer="zeros", name="gradient_norm")
        if self.scale_losses:
            self.loss_scale = self.add_variable((), initializer=Constant(FIRST_LOSS_SCALE), name="loss_scale")
            self.updates_at_scale = self.add_variable((), initializer="zeros", name="updates_at_scale")
            self.skipped_updates = self.add_variable((), initializer="zeros", name="skipped_updates")
        self._decays = [0.0 if self._is_undecayed(variable) else self.decay_rate for variable in variables]
        self._multipliers = [self.rate_multipliers.get(variable.path, 1.0) for variable in variables]

    def _is_undecayed(self, variable) -> bool:
        # Only the owner and the variable itself count: a model may well be called "normalizer".
        return any(part in name.lower() for name in variable.path.split("/")[-2:] for part in self.undecayed)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Keras' seam between the gradients of a replica and the update of the variables.
        variables = [getattr(variable, "value", variable) for variable in trainable_variables]
        gradients = add_over_replicas(grads)
        if self.scale_losses:
            gradients = [gradient / tf.cast(self.loss_scale, gradient.dtype) for gradient in gradients]
        norm = tf.linalg.global_norm(gradients)
        if self.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm, use_norm=norm)
        updates = list(zip(gradients, variables, strict=True))
        notes = [(norm, self.gradient_norm.value), *(self._scaling_notes(norm) if self.scale_losses else [])]
        tf.__internal__.distribute.interim.maybe_merge_call(
            self._update_all, self._distribution_strategy, notes, updates, learning_rate, tf.math.is_finite(norm)
        )

    def scale_loss(self, loss):
        """What the gradients are taken of: with `scale_losses` the loss times a factor that suits float16."""
        return loss * tf.cast(self.loss_scale, loss.dtype) if self.scale_losses else super().scale_loss(loss)

    def _scaling_notes(self, norm):
        """What becomes of the scale: halved by an overflow, doubled after many updates without one."""
        finite = tf.math.is_finite(norm)
        scale, made = tf.convert_to_tensor(self.loss_scale), tf.convert_to_tensor(self.updates_at_scale)
        doubles = tf.logical_and(finite, made + 1 >= UPDATES_AT_A_SCALE)
        scale = tf.where(finite, tf.where(doubles, scale * 2, scale), tf.maximum(scale / 2, 1.0))
        skipped = tf.convert_to_tensor(self.skipped_updates) + tf.where(finite, 0.0, 1.0)
        # Keras counts each call as an update: one that is left out is taken back here.
        iterations = tf.convert_to_tensor(self.iterations)
        return [
            (scale, self.loss_scale.value),
            (tf.where(tf.logical_and(finite, ~doubles), made + 1, 0.0), self.updates_at_scale.value),
            (skipped, self.skipped_updates.value),
            (iterations - tf.cast(~finite, iterations.dtype), self.iterations.value),
        ]

    def _update_all(self, distribution, notes, updates, learning_rate, finite):
        def update(variable, gradient, rate, finite):
            if not self.scale_losses:
                return apply(variable, gradient, rate)
            return tf.cond(finite, lambda: apply(variable, gradient, rate), lambda: tf.constant(False))

        def apply(variable, gradient, rate):
            index = self._get_variable_index(variable)
            rate = tf.cast(rate, variable.dtype) * self._multipliers[index]
            if self._decays[index]:
                variable.assign_sub(variable * (self._decays[index] * rate))
            self.update_step(tf.cast(gradient, variable.dtype), variable, rate)
            return tf.constant(True)

        for gradient, variable in updates:
            distribution.extended.update(variable, update, args=(gradient, learning_rate, finite), group=False)
        for value, variable in notes:
            distribution.extended.update(variable, lambda v, value: v.assign(value), args=(value,), group=False)

    def get_config(self):
        """The constructor's arguments."""
        config = super().get_config()
        return {
            "learning_rate": config["learning_rate"],
            "weight_decay": self.decay_rate,
            "clip_norm": self.clip_norm,
            "undecayed": list(self.undecayed),
            "rate_multipliers": dict(self.rate_multipliers),
            "scale_losses": self.scale_losses,
            "name": config["name"],
        }


@keras.saving.register_keras_serializable("tfdomain")
class AdamW(_GroupedOptimizer):
    """Adam with decoupled weight decay on TensorFlow's fused kernel.

    Args:
        learning_rate: A float or a Keras schedule.
        weight_decay: Share of a weight that is taken off at each step, times the learning rate.
        clip_norm: The largest global norm of the summed gradients; None clips nothing.
        undecayed: Name parts of the variables that keep their whole value: biases and norms.
        rate_multipliers: A factor on the learning rate by variable path; 1 where none is given.
        scale_losses: Whether the loss is scaled so that float16 gradients neither vanish nor overflow; an update whose
            gradients overflow all the same is left out (Micikevicius et al. 2018, "Mixed Precision Training", 3.2).
        beta_1: Decay of the mean of gradients.
        beta_2: Decay of the mean of squared gradients.
        epsilon: Added to the root of the mean square.

    Reference:
        Loshchilov and Hutter 2019, "Decoupled Weight Decay Regularization", algorithm 2.
    """

    def __init__(
        self,
        learning_rate=5e-5,
        *,
        weight_decay: float = 0.01,
        clip_norm: float | None = 1.0,
        undecayed: Sequence[str] = UNDECAYED,
        rate_multipliers: Mapping[str, float] | None = None,
        scale_losses: bool = False,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        name: str = "adamw",
    ):
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            undecayed=undecayed,
            rate_multipliers=rate_multipliers,
            scale_losses=scale_losses,
            name=name,
        )
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon

    def build(self, variables):
        """Creates the two moments of each variable."""
        if self.built:
            return
        super().build(variables)
        self._means, self._squares = self.add_optimizer_variables(variables, ["mean", "square"])

    def update_step(self, gradient, variable, learning_rate):
        """Updates one `tf.Variable` in place from its gradient (same shape and dtype)."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._means[index].value.handle,
            v=self._squares[index].value.handle,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=learning_rate,
            beta1=tf.cast(self.beta_1, variable.dtype),
            beta2=tf.cast(self.beta_2, variable.dtype),
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=gradient,
        )

    def get_config(self):
        """The constructor's arguments."""
        return super().get_config() | {
            "beta_1": self.beta_1,
            "beta_2": self.beta_2,
            "epsilon": self.epsilon,
        }


@keras.saving.register_keras_serializable("tfdomain")
class SGD(_GroupedOptimizer):
    """Plain gradient descent, with the same clipping, decay and rates as `AdamW`."""

    def __init__(
        self,
        learning_rate=0.01,
        *,
        weight_decay: float = 0.0,
        clip_norm: float | None = 1.0,
        undecayed: Sequence[str] = UNDECAYED,
        rate_multipliers: Mapping[str, float] | None = None,
        scale_losses: bool = False,
        name: str = "sgd",
    ):
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            undecayed=undecayed,
            rate_multipliers=rate_multipliers,
            scale_losses=scale_losses,
            name=name,
        )

    def update_step(self, gradient, variable, learning_rate):
        """Updates one `tf.Variable` in place from its gradient (same shape and dtype)."""
        variable.assign_sub(gradient * learning_rate)
