"""What the tests of models share: a classifier that was trained a little, once."""

import pytest

import tfdomain

LABELS = ["default", "repaid"]
TEXTS = ["my car is lost", "we paid", "", "please help with the money for school !"]
ANSWERS = ["default", "repaid", "repaid", "default"]


@pytest.fixture(scope="session")
def small_checkpoint(make_checkpoint, tmp_path_factory):
    """One layer: most of a short training here is TensorFlow tracing the layers."""
    return make_checkpoint(tmp_path_factory.mktemp("small") / "checkpoint", num_hidden_layers=1)


@pytest.fixture(scope="session")
def new_classifier(small_checkpoint):
    """The function that makes an untrained classifier of two labels."""

    # One tokenizer for all: it is traced once.
    tokenizer = tfdomain.Tokenizer.from_pretrained(small_checkpoint)

    def make(**settings):
        encoder = tfdomain.Encoder.from_pretrained(small_checkpoint)
        return tfdomain.TextClassifier(encoder, tokenizer, **({"labels": LABELS} | settings))

    return make


@pytest.fixture(scope="session")
def trained(new_classifier):
    """A classifier that tests may use, save and export, but not train."""
    model = new_classifier()
    model.fit(TEXTS, ANSWERS, epochs=2, batch_size=2, learning_rate=0.01, verbose=0)
    return model


@pytest.fixture(scope="session")
def trained_pairs(new_classifier):
    """The same for pairs of texts, pooled by the mean, with three odd labels."""
    model = new_classifier(labels=["straße", "a b\tc", "🙂"], pooling="mean", pairs=True)
    model.fit((TEXTS, TEXTS[::-1]), [0, 1, 2, 1], epochs=2, batch_size=2, learning_rate=0.01, verbose=0)
    return model
