"""The examples of docs/serving.md, asked of a small model with those answers."""

import doctest
import json
import re
import shlex
from pathlib import Path

import httpx
import pytest
import tensorflow as tf

from tfdomain.serving.server import running_server

DOCUMENT = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")


class Loans(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def predict(self, text):
        classes, scores = self._judge(text)
        best = tf.argmax(scores, 1)
        return {"label": tf.gather(classes, best), "score": tf.reduce_max(scores, 1), "scores": scores}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="inputs")])
    def classify(self, inputs):
        text = tf.io.parse_example(inputs, {"text": tf.io.FixedLenFeature([], tf.string)})["text"]
        classes, scores = self._judge(text)
        return {"classes": tf.tile([classes], [tf.size(text), 1]), "scores": scores}

    def _judge(self, text):
        repaid = tf.where(tf.strings.regex_full_match(text, ".*repair.*"), 0.75, 0.4375)
        return tf.constant(["repaid", "default"]), tf.stack([repaid, 1 - repaid], 1)


@pytest.fixture(scope="module")
def document(tmp_path_factory):
    """The page, with the addresses of a running server in place of the usual ones."""
    directory = tmp_path_factory.mktemp("loans")
    model = Loans()
    signatures = {"serving_default": model.predict, "classify": model.classify}
    tf.saved_model.save(model, str(directory / "1"), signatures=signatures)
    with running_server(directory, name="loans") as server:
        yield DOCUMENT.replace("127.0.0.1:8501", f"127.0.0.1:{server.rest_port}").replace(
            "127.0.0.1:8500", server.grpc_address
        )


def test_the_requests_with_curl_get_the_answers_shown(document):
    commands = re.findall(r"^\$ (curl .*)\n((?:[ {}\]].*\n)+)", document, flags=re.MULTILINE)
    assert len(commands) == 5
    for command, shown in commands:
        *options, url = shlex.split(command)[1:]
        response = httpx.post(url, content=options[1]) if options else httpx.get(url)
        assert response.json() == json.loads(shown)
        assert response.text == shown.rstrip("\n")


def test_the_examples_in_python_are_true(document, tmp_path):
    text = "\n".join(line for line in document.splitlines() if not line.startswith("```"))
    (tmp_path / "serving.txt").write_text(text, encoding="utf-8")
    outcome = doctest.testfile(str(tmp_path / "serving.txt"), module_relative=False, encoding="utf-8")
    assert outcome.attempted > 10 and outcome.failed == 0
