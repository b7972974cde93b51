import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfdomain.errors import TfdomainError
from tfdomain.optimization.loop import LoopState, run_epochs


class Source:
    """Batches whose loss is their number within the epoch; the last one is smaller."""

    num_batches = 3

    def epoch(self, epoch, first_batch=0):
        sizes = [4, 4, 2]

        def generate():
            for place in range(first_batch, 3):
                ids = np.full([sizes[place], 2 + place], 1, "int32")
                yield {"token_ids": ids, "number": np.float32(place)}

        spec = {"token_ids": tf.TensorSpec([None, None], tf.int32), "number": tf.TensorSpec([], tf.float32)}
        return tf.data.Dataset.from_generator(generate, output_signature=spec)


class Model(keras.Model):
    """Stands for a model: a step's loss is what the batch says, or what the test says."""

    def __init__(self, losses=None):
        super().__init__()
        self.optimizer, self.stop_training = keras.optimizers.SGD(0.5), False
        self.losses_by_step, self.steps = losses or {}, []

    def make_train_function(self, batch_spec):
        def train(batch, step):
            self.steps.append(int(step))
            size = float(tf.size(batch["token_ids"]))
            return {
                "loss": self.losses_by_step.get(int(step), batch["number"]),
                "num_examples": tf.cast(tf.shape(batch["token_ids"])[0], tf.float32),
                "num_tokens": size / 2,
                "num_positions": size,
            }

        return train


class Journal(keras.callbacks.Callback):
    """Notes every call, its number and what it was given."""

    def __init__(self, state, stop_at=None):
        super().__init__()
        self.state, self.stop_at, self.calls, self.states, self.logs = state, stop_at, [], [], []

    def _note(self, name, *numbers, logs=None):
        self.calls.append((name, *numbers))
        self.logs.append(dict(logs or {}))
        self.states.append(dataclasses.replace(self.state))

    def on_train_begin(self, logs=None):
        self._note("train_begin")

    def on_train_end(self, logs=None):
        self._note("train_end", logs=logs)

    def on_epoch_begin(self, epoch, logs=None):
        self._note("epoch_begin", epoch)

    def on_epoch_end(self, epoch, logs=None):
        self._note("epoch_end", epoch, logs=logs)

    def on_train_batch_begin(self, batch, logs=None):
        self._note("batch_begin", batch)

    def on_train_batch_end(self, batch, logs=None):
        self._note("batch_end", batch, logs=logs)
        if self.state.step == self.stop_at:
            self.model.stop_training = True


def train(model, *, num_epochs=2, state=None, stop_at=None, validate=None):
    state = state or LoopState()
    journal = Journal(state, stop_at)
    callbacks = keras.callbacks.CallbackList([journal], model=model, add_history=True)
    run_epochs(model, Source(), num_epochs=num_epochs, state=state, callbacks=callbacks, validate=validate)
    return journal, state


def epoch_calls(epoch, first=0, last=2):
    batches = [(kind, place) for place in range(first, last + 1) for kind in ("batch_begin", "batch_end")]
    return [("epoch_begin", epoch), *batches, ("epoch_end", epoch)]


def test_callbacks_come_in_kerass_order():
    journal, _ = train(Model())
    assert journal.calls == [("train_begin",), *epoch_calls(0), *epoch_calls(1), ("train_end",)]


def test_state_counts_what_was_used_before_the_callbacks_see_it():
    model = Model()
    journal, state = train(model)
    assert model.steps == [0, 1, 2, 3, 4, 5]
    assert state == LoopState(step=6, epoch=2, examples_seen=20)
    after_batch = [one for call, one in zip(journal.calls, journal.states, strict=True) if call[0] == "batch_end"]
    assert [one.step for one in after_batch] == [1, 2, 3, 4, 5, 6]
    assert [one.batch for one in after_batch] == [1, 2, 3, 1, 2, 3]
    assert [one.examples_seen for one in after_batch] == [4, 8, 10, 14, 18, 20]
    assert [one.loss_sum for one in after_batch] == [0, 4, 8, 0, 4, 8]


def test_logs_and_history():
    model = Model()
    journal, _ = train(model, validate=lambda: {"accuracy": 0.5})
    # The mean over examples: (4 * 0 + 4 * 1 + 2 * 2) / 10.
    assert model.history.history == {"loss": [0.8, 0.8], "val_accuracy": [0.5, 0.5]}
    logs = journal.logs[journal.calls.index(("batch_end", 1))]
    assert logs["loss"] == 1
    assert logs["learning_rate"] == 0.5
    assert logs["padding_share"] == 0.5
    assert logs["tokens_per_second"] == pytest.approx(1.5 * logs["examples_per_second"])


def test_going_on_within_an_epoch():
    begun = LoopState(step=4, epoch=1, batch=1, loss_sum=0.0, num_examples=4, examples_seen=14)
    model = Model()
    journal, state = train(model, state=begun)
    assert journal.calls == [("train_begin",), *epoch_calls(1, first=1), ("train_end",)]
    assert model.steps == [4, 5]
    assert state == LoopState(step=6, epoch=2, examples_seen=20)
    assert model.history.history == {"loss": [0.8]}


def test_a_run_that_is_done_trains_nothing():
    model = Model()
    train(model, state=LoopState(step=6, epoch=2, examples_seen=20))
    assert model.steps == []


def test_stop_training_ends_after_the_batch():
    journal, state = train(Model(), stop_at=2)
    assert journal.calls == [("train_begin",), *epoch_calls(0, last=1), ("train_end",)]
    assert state.step == 2


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_training(value):
    with pytest.raises(TfdomainError, match=rf"^step 5: the loss became {value}; lower the learning rate") as caught:
        train(Model(losses={4: value}))
    assert caught.value.exit_code == 1
