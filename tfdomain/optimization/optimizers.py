"""Optimizers that clip after the replicas' gradients are summed, and know BERT's parameter groups.

Keras clips each replica's own gradients before they are summed, which is another update than the
same batch gives on one device; and its AdamW walks over every weight nine times where
TensorFlow has one fused kernel.
"""

from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from tfdomain.errors import InputError

__all__ = ["SGD", "AdamW"]

UNDECAYED = ("bias", "beta", "gamma", "norm")


class _GroupedOptimizer(keras.optimizers.Optimizer):
    """Global-norm clipping, decoupled weight decay and a learning rate of its own for each variable."""

    def __init__(
        self,
        learning_rate,
        *,
        weight_decay: float = 0.0,
        clip_norm: float | None = 1.0,
        undecayed: Sequence[str] = UNDECAYED,
        rate_multipliers: Mapping[str, float] | None = None,
        name: str,
    ):
        if weight_decay < 0:
            raise InputError(f"weight_decay is {weight_decay}", mend="give 0 or more")
        if clip_norm is not None and clip_norm <= 0:
            raise InputError(f"clip_norm is {clip_norm}", mend="give a number above 0, or None to clip nothing")
        super().__init__(learning_rate=learning_rate, name=name)
        self.decay_rate, self.clip_norm = weight_decay, clip_norm
        self.undecayed, self.rate_multipliers = tuple(undecayed), dict(rate_multipliers or {})

    def build(self, variables):
        """Creates the slots and notes each variable's decay and rate, in the variables' order."""
        if self.built:
            return
        super().build(variables)
        self.gradient_norm = self.add_variable((), initializer="zeros", name="gradient_norm")
        self._decays = [0.0 if self._is_undecayed(variable) else self.decay_rate for variable in variables]
        self._multipliers = [self.rate_multipliers.get(variable.path, 1.0) for variable in variables]

    def _is_undecayed(self, variable) -> bool:
        # Only the owner and the variable itself count: a model may well be called "normalizer".
        return any(part in name.lower() for name in variable.path.split("/")[-2:] for part in self.undecayed)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        # Keras' seam between the gradients of a replica and the update of the variables.
        variables = [getattr(variable, "value", variable) for variable in trainable_variables]
        gradients = [tf.convert_to_tensor(gradient) for gradient in grads]
        context = tf.distribute.get_replica_context()
        if context is not None and context.num_replicas_in_sync > 1:
            gradients = context.all_reduce(tf.distribute.ReduceOp.SUM, gradients)
        norm = tf.linalg.global_norm(gradients)
        if self.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm, use_norm=norm)
        updates = [(norm, self.gradient_norm.value), *zip(gradients, variables, strict=True)]
        tf.__internal__.distribute.interim.maybe_merge_call(
            self._update_all, self._distribution_strategy, updates, learning_rate
        )

    def _update_all(self, distribution, updates, learning_rate):
        def update(variable, gradient, rate):
            index = self._get_variable_index(variable)
            rate = tf.cast(rate, variable.dtype) * self._multipliers[index]
            if self._decays[index]:
                variable.assign_sub(variable * (self._decays[index] * rate))
            self.update_step(tf.cast(gradient, variable.dtype), variable, rate)

        (norm, norm_variable), *updates = updates
        distribution.extended.update(norm_variable, lambda v, value: v.assign(value), args=(norm,), group=False)
        for gradient, variable in updates:
            distribution.extended.update(variable, update, args=(gradient, learning_rate), group=False)

    def get_config(self):
        """The constructor's arguments."""
        config = super().get_config()
        return {
            "learning_rate": config["learning_rate"],
            "weight_decay": self.decay_rate,
            "clip_norm": self.clip_norm,
            "undecayed": list(self.undecayed),
            "rate_multipliers": dict(self.rate_multipliers),
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
        name: str = "sgd",
    ):
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            undecayed=undecayed,
            rate_multipliers=rate_multipliers,
            name=name,
        )

    def update_step(self, gradient, variable, learning_rate):
        """Updates one `tf.Variable` in place from its gradient (same shape and dtype)."""
        variable.assign_sub(gradient * learning_rate)
