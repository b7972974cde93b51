"""Chinese with a vocabulary that has it: characters are the tokens, and places are places in the text."""

import numpy as np
import pytest

import tfdomain

# Full-width letters, digits and signs; an emoji and a character of two UTF-16 units and four bytes; half-width words.
TEXTS = ["我的ＡＢ卡丢了！", "利率是１２％，很贵", "😀𠀀银行 bank 不还款", "房间小，早餐好吃。"]
# Rows that are there twenty times: steps are cheap, and epochs are not.
TIMES = 20
FIT = {"epochs": 3, "batch_size": 4, "learning_rate": 0.02, "warmup_rate": 0.0, "seed": 1, "verbose": 0}


def test_characters_and_full_width_forms_are_tokens_with_their_places(chinese_checkpoint):
    tokenizer = tfdomain.Tokenizer.from_pretrained(chinese_checkpoint)
    batch = tokenizer(TEXTS, return_offsets=True)
    pieces = [[tokenizer.vocabulary[token] for token in row] for row in batch["token_ids"].numpy()]
    assert [piece for piece in pieces[0] if piece[0] != "["] == ["我", "的", "ａ", "##ｂ", "卡", "丢", "了", "！"]
    assert [piece for piece in pieces[1] if piece[0] != "["] == ["利", "率", "１", "##２", "％", "，", "很", "贵"]
    for text, row, offsets in zip(TEXTS, pieces, batch["offsets"].numpy().tolist(), strict=True):
        for piece, (start, end) in zip(row, offsets, strict=True):
            if piece[0] != "[":
                assert text[start:end].lower() == piece.removeprefix("##")


@pytest.mark.thorough
@pytest.mark.parametrize("settings", [{}, {"decoder": "crf", "scheme": "bioes"}], ids=["softmax", "crf"])
def test_a_tagger_gives_back_what_it_learned_at_its_place(chinese_checkpoint, settings, served_answers, tmp_path):
    parts = [("物", "ＡＢ卡"), ("数", "１２％"), ("物", "银行 bank"), ("物", "早餐")]
    starts = [text.index(part) for text, (_, part) in zip(TEXTS, parts, strict=True)]
    gold = [[(label, start, start + len(part))] for (label, part), start in zip(parts, starts, strict=True)]
    model = tfdomain.TokenClassifier.from_pretrained(
        chinese_checkpoint, labels=["物", "数"], label_pieces="all", dropout_rate=0.0, **settings
    )
    model.fit(TEXTS * TIMES, gold * TIMES, **FIT)
    found = model.predict(TEXTS)
    assert [[(one["label"], one["text"]) for one in row] for row in found] == [[part] for part in parts]
    assert [[(one["label"], one["start"], one["end"]) for one in row] for row in found] == gold
    [answers] = served_answers(model.export(tmp_path / "served"), {"text": TEXTS})
    served = answers["serving_default"]
    assert served["entity"][:, 0].tolist() == [part for _, part in parts]
    assert served["start"][:, 0].tolist() == starts
    assert served["end"][:, 0].tolist() == [end for [(*_, end)] in gold]


@pytest.mark.thorough
def test_an_answer_is_found_at_its_place_in_a_window_of_its_own(chinese_checkpoint):
    contexts = [TEXTS[0], "房间很小，" * 12 + TEXTS[1], TEXTS[2], TEXTS[3]]
    answers = ["ＡＢ卡", "１２％", "银行", "好吃"]
    questions = ["我的？", "利率？", "不还款？", "早餐？"]
    model = tfdomain.SpanExtractor.from_pretrained(chinese_checkpoint, max_length=32, dropout_rate=0.0)
    starts = [context.index(answer) for context, answer in zip(contexts, answers, strict=True)]
    gold = [[each] for each in zip(answers, starts, strict=True)]
    model.fit((questions * TIMES, contexts * TIMES), gold * TIMES, **FIT)
    found = model.predict((questions, contexts))
    assert found["answer"].tolist() == answers
    assert found["start"].tolist() == starts
    measured = model.evaluate((questions, contexts), gold)
    assert (measured["exact_match"], measured["answer_f1"]) == (1.0, 1.0)


@pytest.mark.thorough
def test_a_classifier_reads_the_characters(chinese_checkpoint, small_checkpoint):
    """Texts that differ in characters alone are one text to a vocabulary without them."""
    texts, labels = ["房间很好", "房间很小", "早餐很好", "早餐很小"], ["好评", "差评", "好评", "差评"]
    models = [
        tfdomain.TextClassifier.from_pretrained(checkpoint, labels=["差评", "好评"], dropout_rate=0.0)
        for checkpoint in (chinese_checkpoint, small_checkpoint)
    ]
    for model in models:
        model.fit(texts * TIMES, labels * TIMES, **FIT)
    assert [answer["label"] for answer in models[0].classify(texts)] == labels
    unknown = models[1].predict(texts)
    np.testing.assert_allclose(unknown, np.broadcast_to(unknown[0], unknown.shape), atol=1e-6)
