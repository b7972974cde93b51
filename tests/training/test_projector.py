"""Points of TensorBoard's PROJECTOR tab."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

from tfdomain.errors import InputError
from tfdomain.training.projector import write_projector

TEXTS = [
    "plain",
    "a\ttab and\r\ntwo lines",
    "信用卡　还款\n逾期",
    "",
    "a\u2028b\x85c\x0bd",
    'quoted "text"',
    "長" * 400,
]


def test_what_is_written_is_what_the_tab_reads(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(len(TEXTS), 3)).astype("float32")
    write_projector(tmp_path / "here", "points", vectors, {"text": TEXTS, "label": ["好", "b"] * 3 + ["好"]})
    # It can be moved: no path in it is absolute.
    folder = shutil.move(tmp_path / "here", tmp_path / "there")
    config = text_format.Parse((folder / "projector_config.pbtxt").read_text(), ProjectorConfig())
    [embedding] = config.embeddings
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(str(folder)))
    np.testing.assert_array_equal(reader.get_tensor(embedding.tensor_name), vectors)
    content = (folder / embedding.metadata_path).read_bytes().decode("utf-8")
    # As browsers cut it, and as Python's own idea of a line does.
    assert content.splitlines() == content.split("\n")[:-1]
    header, *rows = [line.split("\t") for line in content.split("\n")[:-1]]
    assert header == ["text", "label"]
    assert [text for text, _ in rows] == [
        "plain", "a tab and two lines", "信用卡　还款 逾期", "", "a b c d", 'quoted "text"', "長" * 299 + "…",
    ]  # fmt: skip
    assert [label for _, label in rows] == ["好", "b"] * 3 + ["好"]


def test_points_are_replaced(tmp_path):
    for count in (3, 2):
        columns = {"row": list("abc"[:count]), "text": list("xyz"[:count])}
        write_projector(tmp_path / "points", "points", np.zeros((count, 2)), columns)
    assert len((tmp_path / "points/points.tsv").read_text().splitlines()) == 3


@pytest.mark.parametrize("columns", [{"text": ["a", "b"]}, {"text": ["a", "b"], "label": ["a"]}])
def test_columns_that_do_not_fit_are_refused(tmp_path, columns):
    with pytest.raises(InputError, match="points: 2 vectors, and columns of the lengths"):
        write_projector(tmp_path / "points", "points", np.zeros((2, 2)), columns)
    assert not (tmp_path / "points").exists()
