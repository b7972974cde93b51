"""The in-graph tokenizer against transformers' `BertTokenizerFast`: ids, segments, offsets."""

import functools
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import BertTokenizerFast

from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError


def load_script(name: str):
    """A script of `experiments/` as a module: the suite and the long run share one comparison."""
    path = Path(__file__).parents[2] / "experiments" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


FUZZ = load_script("fuzz_tokenizer")
NAMES = ("uncased", "cased", "chinese", "accents")
NUM_EXAMPLES, NUM_TEXTS = 125, 40  # with the four checkpoints, 20,000 strings

PIECES = sorted({token.removeprefix("##") for name in NAMES[:3] for token in FUZZ.make_vocabulary(name)})
LONG_WORDS = ["a" * 99, "a" * 100, "a" * 101, "é" * 60, "e\u0301" * 75, "中" * 120, "x\u200d" * 101, "\U0001f44d" * 150]
ELEMENTS = st.one_of(
    st.characters(exclude_categories=["Cs"]),
    st.sampled_from(list(FUZZ.TRICKY)),
    st.sampled_from(PIECES),
    st.sampled_from([" ", "\n", "[SEP]", "[MASK]", "[PAD", *LONG_WORDS]),
)
TEXTS = st.lists(ELEMENTS, max_size=10).map("".join)
BATCHES = st.lists(TEXTS, min_size=NUM_TEXTS, max_size=NUM_TEXTS)
FUZZING = settings(
    max_examples=NUM_EXAMPLES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> dict[str, Path]:
    folders = FUZZ.write_checkpoints(tmp_path_factory.mktemp("checkpoints"))
    return {folder.name: folder for folder in folders}


@pytest.fixture(scope="module")
def tokenizers(checkpoints) -> dict[str, tuple[Tokenizer, BertTokenizerFast]]:
    return {
        name: (Tokenizer.from_pretrained(folder), BertTokenizerFast.from_pretrained(folder))
        for name, folder in checkpoints.items()
    }


@pytest.fixture(scope="module")
def uncased(tokenizers) -> Tokenizer:
    return tokenizers["uncased"][0]


@pytest.mark.parametrize(
    "name", [name if name == "uncased" else pytest.param(name, marks=pytest.mark.thorough) for name in NAMES]
)
def test_random_unicode_gives_the_ids_of_the_reference(tokenizers, name):
    ours, reference = tokenizers[name]

    @FUZZING
    @given(
        batch=BATCHES,
        paired=st.booleans(),
        max_length=st.sampled_from([None, 3, 4, 9, 16, 33]),
        split=st.booleans(),
    )
    def check(batch, paired, max_length, split):
        # As a pair, each text stands once first and once second.
        pairs = batch[::-1] if paired else None
        mismatches, _ = FUZZ.compare(ours, reference, batch, pairs, max_length=max_length, split=split)
        assert mismatches == []

    check()


@pytest.mark.real
def test_real_vocabulary_gives_the_ids_of_the_reference(minilm):
    result = FUZZ.fuzz([minilm], num_strings=8_000, seed=7)
    assert result["examples"] == []


@pytest.mark.parametrize("paired", [False, True])
def test_every_truncation_gives_the_lengths_of_the_reference(tokenizers, paired):
    ours, reference = tokenizers["uncased"]
    firsts = [" ".join("a" * count) for count in range(0, 12) for _ in range(12)]
    seconds = [" ".join("b" * count) for _ in range(12) for count in range(0, 12)]
    for max_length in range(3, 28):
        pairs = seconds if paired else None
        assert FUZZ.compare(ours, reference, firsts, pairs, max_length=max_length) == ([], 0)


@pytest.mark.parametrize("split", [True, False])
def test_special_tokens_in_a_text_follow_the_reference(tokenizers, split):
    texts = ["[SEP]", "a[SEP]b", " [MASK] [CLS]x", "[SEP", "[sep]", "[[SEP]]", "[UNK][PAD]", "é[SEP]é", "[S\u200dEP]"]
    for ours, reference in tokenizers.values():
        assert FUZZ.compare(ours, reference, texts, texts[::-1], split=split) == ([], 0)


def test_a_text_cannot_inject_a_special_token(uncased):
    rows = uncased(["pay [SEP] loan [CLS] [PAD] [MASK]"])["token_ids"].numpy()[0, 1:-1]
    assert not {uncased.sep_id, uncased.cls_id, uncased.pad_id, uncased.mask_id} & set(rows.tolist())


def test_offsets_point_into_the_original_text(uncased):
    text = "  Cafés\u200b are\tUNABLE\u3000中国! 👍loan"
    offsets = uncased([text], return_offsets=True)["offsets"].numpy()[0, 1:-1]
    covered = [text[start:end] for start, end in offsets.tolist()]
    assert "".join(covered) == "".join(text.split()).replace("\u200b", "")
    assert offsets[-1].tolist() == [len(text) - 1, len(text)]


def test_broken_bytes_are_dropped_like_their_replacement(uncased):
    broken = tf.constant([b"pa\xffy \xc3", b"\xed\xa0\x80loan"])
    whole = ["pay", "loan"]
    np.testing.assert_array_equal(uncased(broken)["token_ids"], uncased(whole)["token_ids"])


def test_lists_arrays_and_tensors_give_the_same(uncased):
    texts = ["the loan", "Café", ""]
    expected = uncased(texts)
    for same in (np.array(texts), np.array(texts, object), tuple(texts), tf.constant(texts)):
        got = uncased(same)
        assert got.keys() == {"token_ids", "segment_ids", "padding_mask"}
        for name, tensor in got.items():
            assert tensor.dtype == tf.int32
            np.testing.assert_array_equal(tensor, expected[name])


def test_no_texts_give_no_rows(uncased):
    assert uncased([], return_offsets=True)["offsets"].shape == (0, 0, 2)
    assert uncased([], [])["token_ids"].shape == (0, 0)
    assert uncased.lengths([]).shape == (0,)


@pytest.mark.parametrize("max_length", [None, 7])
def test_lengths_count_what_a_call_gives(uncased, max_length):
    texts, pairs = ["the loan is bad", "", "Café 中国"], ["a", "b" * 120, "pay the loan, unable"]
    for second in (None, pairs):
        mask = uncased(texts, second, max_length=max_length)["padding_mask"]
        np.testing.assert_array_equal(uncased.lengths(texts, second, max_length), mask.numpy().sum(1))


def test_a_dataset_maps_with_it(uncased):
    texts, pairs = ["the loan", "Café 中国", "x"], ["a", "", "[SEP]"]
    rows = tf.data.Dataset.from_tensor_slices((texts, pairs)).batch(3)
    got = next(iter(rows.map(lambda text, pair: uncased(text, pair, max_length=8))))
    for name, tensor in uncased(texts, pairs, max_length=8).items():
        np.testing.assert_array_equal(got[name], tensor)


def test_graphs_call_the_one_that_is_traced(uncased):
    called = []
    for shape in ([None], None):
        spec = tf.TensorSpec(shape, tf.string)
        graph = tf.function(lambda texts: uncased(texts)).get_concrete_function(spec).graph
        calls = [one for one in graph.get_operations() if one.type in ("PartitionedCall", "StatefulPartitionedCall")]
        called += [one.get_attr("f").name for one in calls]
    assert len(called) == 2 and len(set(called)) == 1


def test_sizes_that_differ_inside_a_graph_are_refused(uncased):
    signature = [tf.TensorSpec([None], tf.string)] * 2
    call = tf.function(lambda text, pair: uncased(text, pair)["token_ids"], input_signature=signature)
    with pytest.raises(tf.errors.InvalidArgumentError, match="not as many as texts"):
        call(tf.constant(["a"]), tf.constant(["b", "c"]))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a text",), "texts: is a single string; put it into a list"),
        ((["a", None],), "texts[1]: is None, which is not a string"),
        ((["a"], [1.5]), "pairs[0]: is 1.5, which is not a string"),
        ((["a", "b\ud800"],), "texts[1]: holds half a surrogate pair at character 1"),
        (([["a"]],), "texts: is"),
        ((tf.constant([1]),), "texts: is EagerTensor of int32"),
        ((["a"], ["b", "c"]), "pairs: 1 texts stand against 2 pairs"),
        ((["a"], None, 1), "max_length: is 1, which leaves no room for the 2 special tokens of a text"),
        ((["a"], ["b"], 2), "max_length: is 2, which leaves no room for the 3 special tokens of a pair"),
        ((["a"], None, 2.5), "max_length: is 2.5"),
    ],
)
def test_what_cannot_be_tokenized_is_refused_in_one_line(uncased, arguments, message):
    with pytest.raises(InputError) as error:
        uncased(*arguments)
    assert str(error.value).startswith(message)
    assert "\n" not in str(error.value)


CLIENT = """
import json, sys
import tensorflow as tf
import tensorflow_text
assert not any(name.startswith(("tfdomain", "transformers", "tokenizers")) for name in sys.modules)
model = tf.saved_model.load(sys.argv[1])
requests = json.load(open(sys.argv[2]))
answers = []
for texts, pairs in requests:
    if pairs is None:
        answer = model.singles(tf.constant(texts, tf.string))
    else:
        answer = model.pairs(tf.constant(texts, tf.string), tf.constant(pairs, tf.string))
    answers.append({name: tensor.numpy().tolist() for name, tensor in answer.items()})
json.dump(answers, open(sys.argv[3], "w"))
"""


class Exported(tf.Module):
    def __init__(self, tokenizer: Tokenizer):
        super().__init__()
        self.tokenizer = tokenizer

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def singles(self, texts):
        return self.tokenizer(texts, max_length=None, return_offsets=True)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)] * 2)
    def pairs(self, texts, pairs):
        return self.tokenizer(texts, pairs, max_length=16, return_offsets=True)


@pytest.mark.parametrize("name", [pytest.param("uncased", marks=pytest.mark.thorough), "chinese"])
def test_a_saved_model_gives_the_ids_of_the_reference(tokenizers, tmp_path, name):
    ours, reference = tokenizers[name]
    tf.saved_model.save(Exported(ours), str(tmp_path / "model"))
    source = FUZZ.random.Random(3)
    texts, pairs = [[FUZZ.random_text(source, ours.vocabulary) for _ in range(1000)] for _ in range(2)]
    requests = [(texts, None), (texts, pairs), ([], None)]
    (tmp_path / "requests.json").write_text(json.dumps(requests))
    (tmp_path / "client.py").write_text(CLIENT)
    files = [str(tmp_path / file) for file in ("client.py", "model", "requests.json", "answers.json")]
    done = subprocess.run([sys.executable, "-I", *files], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads((tmp_path / "answers.json").read_text())
    for (texts, pairs), answer, max_length in zip(requests[:2], answers, [None, 16], strict=False):
        stored = {key: tf.constant(value) for key, value in answer.items()}
        answered = functools.partial(lambda rows, *_, **__: rows, stored)
        mismatches, _ = FUZZ.compare(answered, reference, texts, pairs, max_length=max_length)
        assert mismatches == []
    assert answers[2]["token_ids"] == []
