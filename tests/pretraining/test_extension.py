"""New tokens behind the old ones: equal ids for us and transformers, rows that start as means, all else as it was."""

import dataclasses

import keras
import numpy as np
import pytest
from transformers import BertConfig, BertTokenizerFast

from tfdomain.encoders.checkpoints import encoder_tensors, load_encoder, save_checkpoint
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer
from tfdomain.errors import InputError
from tfdomain.pretraining.extension import extend_encoder, extend_settings, mean_rows, piece_ids

TERMS = ["zebra", "fomc", "loaned", "覃", "covid19"]
TEXTS = ["The FOMC loaned a zebra, two zebras: 覃覃", "Covid19 fomcs 很好", "bank loan", "", "pre-FOMC zebraloaned"]


@pytest.fixture(scope="module")
def tokenizer(tiny_checkpoint):
    return Tokenizer.from_pretrained(tiny_checkpoint)


def table_of(encoder) -> np.ndarray:
    return encoder.embeddings.words.numpy()


def extended_from(folder) -> tuple:
    """The whole way: tokenizer, encoder and bias of a checkpoint, extended by TERMS."""
    tokenizer, encoder = Tokenizer.from_pretrained(folder), load_encoder(folder)
    pieces = piece_ids(tokenizer, TERMS)
    table = mean_rows(table_of(encoder), pieces, num_tokens=tokenizer.vocabulary_size)
    return Tokenizer(extend_settings(tokenizer.settings, TERMS)), extend_encoder(encoder, table)


def test_new_tokens_stand_behind_the_old_ones(tokenizer):
    old = tokenizer.settings
    settings = extend_settings(old, TERMS)
    assert settings.vocabulary == (*old.vocabulary, *TERMS)
    assert dataclasses.replace(settings, vocabulary=old.vocabulary) == old
    assert extend_settings(old, []) == old
    first = len(old.vocabulary)
    ids = Tokenizer(settings)(["Zebra FOMC, loaned bank"])["token_ids"].numpy()[0, 1:-1].tolist()
    known = {token: index for index, token in enumerate(old.vocabulary)}
    assert ids == [first, first + 1, known[","], first + 2, known["bank"]]


REFUSED = {
    "": "terms[1]: is ''; give a word",
    None: "terms[1]: is None; give a word",
    "bank": "terms[1]: 'bank' is a token already; leave it out",
    "[MASK]": "terms[1]: '[MASK]' is a token already; leave it out",
    "zebra": "terms[1]: 'zebra' is given twice; give every term once",
    "FOMC": "terms[1]: 'FOMC' is never looked for: the tokenizer reads it as 'fomc'; give 'fomc'",
    "crème": "terms[1]: 'crème' is never looked for: the tokenizer reads it as 'creme'; give 'creme'",
    "re-paid": "terms[1]: 're-paid' is never looked for: the tokenizer reads it as 're - paid'; "
    "give one word without blanks and punctuation",
    "very good": "terms[1]: 'very good' is never looked for: the tokenizer reads it as 'very good'; "
    "give one word without blanks and punctuation",
    "##zebra": "terms[1]: '##zebra' is never looked for: the tokenizer reads it as '# # zebra'; "
    "give one word without blanks and punctuation",
    "央行": "terms[1]: '央行' is never looked for: the tokenizer reads it as '央 行'; "
    "give one word without blanks and punctuation",
    "\x01": "terms[1]: '\\x01' is never looked for: the tokenizer reads it as 'nothing'; "
    "give one word without blanks and punctuation",
    "y" * 101: "terms[1]: has 101 characters; longer words than 100 are unknown; leave it out",
}


@pytest.mark.parametrize("term", REFUSED)
def test_terms_that_could_never_be_met_are_refused(tokenizer, term):
    with pytest.raises(InputError) as error:
        extend_settings(tokenizer.settings, ["zebra", term])
    assert str(error.value) == REFUSED[term]


def test_a_cased_tokenizer_takes_upper_case(tokenizer):
    settings = dataclasses.replace(tokenizer.settings, lowercase=False)
    assert extend_settings(settings, ["FOMC", "Crème"]).vocabulary[-2:] == ("FOMC", "Crème")


def test_pieces_are_those_of_the_reference(tiny_checkpoint, tokenizer):
    reference = BertTokenizerFast.from_pretrained(tiny_checkpoint)
    expected = [reference.encode(term, add_special_tokens=False) for term in TERMS]
    assert piece_ids(tokenizer, TERMS) == expected
    assert expected[3] == [tokenizer.unk_id] and min(map(len, expected[:3])) > 1
    assert piece_ids(tokenizer, []) == []
    assert piece_ids(tokenizer, ["\u0301", "bank"]) == [
        [tokenizer.unk_id],
        *reference(["bank"], add_special_tokens=False)["input_ids"],
    ]


@pytest.mark.parametrize("shape", [(6, 3), (6,)])
@pytest.mark.parametrize("dtype", ["float32", "float16", "float64"])
def test_new_rows_are_means_of_their_pieces(shape, dtype):
    table = np.random.default_rng(0).normal(size=shape).astype(dtype)
    extended = mean_rows(table, [[1, 4], [0], [2, 2, 5]], num_tokens=6)
    assert extended.dtype == table.dtype and extended.shape == (9, *shape[1:])
    np.testing.assert_array_equal(extended[:6], table)
    expected = np.stack([(table[1] + table[4]) / 2, table[0], (2 * table[2] + table[5]) / 3])
    np.testing.assert_allclose(extended[6:], expected, rtol=2e-3 if dtype == "float16" else 1e-6)


@pytest.mark.parametrize(("num_new", "rows"), [(0, 8), (1, 8), (3, 8), (5, 10)])
def test_new_rows_take_the_places_of_padding_rows(num_new, rows):
    table = np.arange(16, dtype="float32").reshape(8, 2)
    extended = mean_rows(table, [[0, 1]] * num_new, num_tokens=5)
    assert len(extended) == rows
    np.testing.assert_array_equal(extended[:5], table[:5])
    np.testing.assert_array_equal(extended[5 : 5 + num_new], np.tile([1, 2], (num_new, 1)))
    np.testing.assert_array_equal(extended[5 + num_new : 8], table[5 + num_new :])


def test_what_has_no_rows_is_refused():
    table = np.zeros((4, 2), "float32")
    with pytest.raises(InputError, match="table: has 4 rows, fewer than the 5 tokens of the vocabulary; use the voc"):
        mean_rows(table, [], num_tokens=5)
    for ids in ([], [3], [-1, 0]):
        with pytest.raises(InputError, match=r"pieces\[1\]: is .*, not one or more of the old ids 0 to 2; take the"):
            mean_rows(table, [[0], ids], num_tokens=3)


@pytest.mark.parametrize("padding", [0, 3, pytest.param(8, marks=pytest.mark.thorough)])
def test_a_saved_extension_has_one_row_a_token_for_us_and_transformers(tmp_path, make_checkpoint, tokenizer, padding):
    old = make_checkpoint(tmp_path / "old", vocab_size=tokenizer.vocabulary_size + padding)
    extended, encoder = extended_from(old)
    new = tmp_path / "new"
    new.mkdir()
    save_checkpoint(encoder, new)
    extended.save(new)
    reference, config = BertTokenizerFast.from_pretrained(new), BertConfig.from_pretrained(new)
    assert len(reference) == extended.vocabulary_size == tokenizer.vocabulary_size + len(TERMS)
    assert config.vocab_size == encoder.config.vocab_size == max(len(reference), tokenizer.vocabulary_size + padding)
    assert reference.convert_tokens_to_ids(TERMS) == [tokenizer.vocabulary_size + index for index in range(len(TERMS))]
    tokens = extended(TEXTS, max_length=None)
    lengths = tokens["padding_mask"].numpy().sum(axis=1)
    ours = [row[:length].tolist() for row, length in zip(tokens["token_ids"].numpy(), lengths, strict=True)]
    assert ours == reference(TEXTS)["input_ids"]
    assert set(range(tokenizer.vocabulary_size, len(reference))) <= {index for row in ours for index in row}
    again = load_encoder(new)
    for name, tensor in encoder_tensors(encoder).items():
        np.testing.assert_array_equal(encoder_tensors(again)[name], tensor, err_msg=name)


def test_every_other_weight_stays(tiny_checkpoint, tokenizer):
    encoder = load_encoder(tiny_checkpoint)
    extended_tokenizer, extended = extended_from(tiny_checkpoint)
    assert extended.config == dataclasses.replace(encoder.config, vocab_size=extended_tokenizer.vocabulary_size)
    assert encoder.config.vocab_size == tokenizer.vocabulary_size
    old, new = encoder_tensors(encoder), encoder_tensors(extended)
    assert old.keys() == new.keys()
    for name in old:
        np.testing.assert_array_equal(new[name][: len(old[name])], old[name], err_msg=name)
    assert {name for name in old if old[name].shape != new[name].shape} == {"embeddings.word_embeddings.weight"}
    # Texts without a new term are read as before.
    texts = ["bank loan", "we repaired the card"]
    assert not keras.ops.any(extended_tokenizer(texts)["token_ids"] != tokenizer(texts)["token_ids"])
    np.testing.assert_array_equal(extended(extended_tokenizer(texts)), encoder(tokenizer(texts)))


@pytest.mark.parametrize("pooler", [True, False])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "float64"])
def test_types_pooler_and_seed_stay(make_checkpoint, tmp_path, pooler, policy):
    config = load_encoder(make_checkpoint(tmp_path / "checkpoint")).config
    encoder = Encoder(config, pooler=pooler, seed=3, dtype=policy, name="reader", trainable=False)
    table = np.concatenate([table_of(encoder), np.ones((2, config.hidden_size), "float32")])
    extended = extend_encoder(encoder, table)
    assert (extended.dtype_policy.name, extended.name, extended.seed) == (policy, "reader", 3)
    assert extended.has_pooler == pooler and not extended.trainable
    for name, variable in encoder.named_weights().items():
        other = extended.named_weights()[name]
        assert other.dtype == variable.dtype
        np.testing.assert_array_equal(other.numpy()[: variable.shape[0]], variable.numpy(), err_msg=name)


def test_a_table_of_another_vocabulary_may_be_smaller(tiny_checkpoint):
    encoder = load_encoder(tiny_checkpoint)
    smaller = extend_encoder(encoder, table_of(encoder)[:20])
    assert smaller.config.vocab_size == 20
    tokens = {"token_ids": np.array([[2, 7, 19, 3]], "int32")}
    np.testing.assert_array_equal(smaller(tokens), encoder(tokens))


@pytest.mark.parametrize("shape", [(300, 17), (300,), (0, 16)])
def test_a_table_that_does_not_fit_is_refused(tiny_checkpoint, shape):
    with pytest.raises(InputError, match=r"table: is of the shape|vocab_size: 0"):
        extend_encoder(load_encoder(tiny_checkpoint), np.zeros(shape, "float32"))


@pytest.mark.real
def test_the_real_checkpoint_extends(minilm, tmp_path):
    tokenizer, encoder = Tokenizer.from_pretrained(minilm), load_encoder(minilm)
    terms = ["intermeeting", "fomc", "覃"]
    pieces = piece_ids(tokenizer, terms)
    table = mean_rows(table_of(encoder), pieces, num_tokens=tokenizer.vocabulary_size)
    extended = Tokenizer(extend_settings(tokenizer.settings, terms))
    save_checkpoint(extend_encoder(encoder, table), tmp_path)
    extended.save(tmp_path)
    reference = BertTokenizerFast.from_pretrained(tmp_path)
    assert BertConfig.from_pretrained(tmp_path).vocab_size == len(reference) == 30522 + 3
    texts = ["The FOMC's intermeeting decision", "覃 fomcs"]
    tokens = extended(texts)["token_ids"].numpy()
    assert [row[row != 0].tolist() for row in tokens] == reference(texts)["input_ids"]
    ids = reference.convert_tokens_to_ids(["inter", "##me", "##eti", "##ng"])
    expected = table_of(encoder)[ids].mean(axis=0)
    np.testing.assert_allclose(table_of(load_encoder(tmp_path))[30522], expected, rtol=1e-5, atol=1e-7)
