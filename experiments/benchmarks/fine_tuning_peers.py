"""The peers of `fine_tuning.py`, which runs this file with their interpreters; prints JSON.

    PYTHON fine_tuning_peers.py random|group_by_length|keras_hub FOLDER OUTPUT

FOLDER holds `workload.json`, `train.json` and `test.json`: pairs of a text and its label, or of words and their tags.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

IGNORED = -100


class Seconds:
    """The seconds of the epochs after the first, each from the end of its first update."""

    def __init__(self) -> None:
        self.examples = self.total = 0.0
        self._epoch, self._last = 0, None

    def begin_epoch(self) -> None:
        self._epoch, self._last = self._epoch + 1, None

    def end_update(self, examples: int) -> None:
        now = time.perf_counter()
        if self._last is not None and self._epoch > 1:
            self.total += now - self._last
            self.examples += examples
        self._last = now

    def rate(self) -> float:
        return self.examples / self.total


def main() -> None:
    side, folder, output = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    workload, train, test = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("workload", "train", "test")
    )
    tagged = isinstance(train[0][0], list)
    names = sorted({tag for _, tags in train for tag in (tags if tagged else [tags])})
    run = keras_hub if side == "keras_hub" else trainer
    rate, score = run(side, workload, train, test, names, tagged, output)
    status = Path("/proc/self/status").read_text()
    peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
    print(json.dumps({"examples_per_second": rate, "score": score, "peak_memory_bytes": peak}))


def _read(folder: Path, *names: str) -> list:
    return [json.loads((folder / f"{name}.json").read_text()) for name in names]


def encode(rows: list, names: list[str], tagged: bool, encoder: str, length: int) -> list[dict[str, Any]]:
    """Token ids and labels; of a word its first piece has the tag."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(encoder)
    number = {name: index for index, name in enumerate(names)}
    texts = [text for text, _ in rows]
    tokens = tokenizer(texts, truncation=True, max_length=length, is_split_into_words=tagged)
    found = []
    for row, (_, labels) in enumerate(rows):
        each = {name: tokens[name][row] for name in tokens}
        if tagged:
            words = tokens.word_ids(row)
            begins = [word is not None and word != before for word, before in zip(words, [None, *words], strict=False)]
            each["labels"] = [
                number.get(labels[word], IGNORED) if begin else IGNORED
                for word, begin in zip(words, begins, strict=True)
            ]
        else:
            each["labels"] = number.get(labels, IGNORED)
        found.append(each | {"length": len(each["input_ids"])})
    return found


def trainer(side, workload, train, test, names, tagged, output) -> tuple[float, float]:
    """The PyTorch Trainer; `side` is its sampling strategy."""
    import numpy
    import transformers
    from datasets import Dataset

    seconds = Seconds()

    class Clock(transformers.TrainerCallback):
        def on_epoch_begin(self, arguments, state, control, **more):
            seconds.begin_epoch()

        def on_step_end(self, arguments, state, control, **more):
            seconds.end_update(workload["batch"])

    kind = "AutoModelForTokenClassification" if tagged else "AutoModelForSequenceClassification"
    collator = "DataCollatorForTokenClassification" if tagged else "DataCollatorWithPadding"
    data = [
        Dataset.from_list(encode(rows, names, tagged, workload["encoder"], workload["length"]))
        for rows in (train, test)
    ]
    arguments = transformers.TrainingArguments(
        output,
        num_train_epochs=workload["epochs"],
        per_device_train_batch_size=workload["batch"],
        per_device_eval_batch_size=64,
        learning_rate=workload["rate"],
        weight_decay=0.01,
        warmup_steps=0.1,
        train_sampling_strategy=side,
        save_strategy="no",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(workload["encoder"])
    learner = transformers.Trainer(
        model=getattr(transformers, kind).from_pretrained(workload["encoder"], num_labels=len(names)),
        args=arguments,
        train_dataset=data[0],
        data_collator=getattr(transformers, collator)(tokenizer),
        callbacks=[Clock()],
    )
    learner.train()
    answer = learner.predict(data[1])
    best, labels = numpy.argmax(answer.predictions, -1), answer.label_ids
    if not tagged:
        return seconds.rate(), float((best == labels).mean())
    pairs = [
        ([names[tag] for tag in row[kept]], [names[tag] for tag in gold[kept]])
        for row, gold, kept in zip(best, labels, labels != IGNORED, strict=True)
    ]
    return seconds.rate(), entity_f1(pairs)


def keras_hub(side, workload, train, test, names, tagged, output) -> tuple[float, None]:
    """KerasHub's backbone with random weights of MiniLM's sizes, and Keras' `fit`."""
    import keras
    import keras_hub
    import numpy
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(f"{workload['encoder']}/tokenizer.json")
    tokenizer.enable_truncation(workload["length"])
    tokenizer.no_padding()
    rows = tokenizer.encode_batch([text for text, _ in train], is_pretokenized=tagged)
    longest = max(len(row.ids) for row in rows)
    ids = numpy.array([row.ids + [0] * (longest - len(row.ids)) for row in rows], "int32")
    if tagged:
        labels, weights = numpy.zeros_like(ids), numpy.zeros(ids.shape, "float32")
        for place, (row, (_, tags)) in enumerate(zip(rows, train, strict=True)):
            for position, word in enumerate(row.word_ids):
                if word is not None and word != (row.word_ids[position - 1] if position else None):
                    labels[place, position], weights[place, position] = names.index(tags[word]), 1
    else:
        labels, weights = numpy.array([names.index(label) for _, label in train]), None
    config = json.loads(Path(workload["encoder"], "config.json").read_text())
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=config["vocab_size"],
        num_layers=config["num_hidden_layers"],
        num_heads=config["num_attention_heads"],
        hidden_dim=config["hidden_size"],
        intermediate_dim=config["intermediate_size"],
        max_sequence_length=config["max_position_embeddings"],
    )
    output_name = "sequence_output" if tagged else "pooled_output"
    scores = keras.layers.Dense(len(names))(keras.layers.Dropout(0.1)(backbone.output[output_name]))
    model = keras.Model(backbone.input, scores)
    model.compile(
        optimizer=keras.optimizers.AdamW(workload["rate"], weight_decay=0.01, global_clipnorm=1.0),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    seconds = Seconds()

    class Clock(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            seconds.begin_epoch()

        def on_train_batch_end(self, batch, logs=None):
            seconds.end_update(workload["batch"])

    inputs = {"token_ids": ids, "segment_ids": numpy.zeros_like(ids), "padding_mask": (ids != 0).astype("int32")}
    shared = {"batch_size": workload["batch"], "epochs": workload["epochs"], "verbose": 0, "callbacks": [Clock()]}
    model.fit(inputs, labels, sample_weight=weights, **shared)
    return seconds.rate(), None


def entity_f1(pairs: list[tuple[list[str], list[str]]]) -> float:
    """Micro F1 of whole entities in BIO tags."""
    found = [(entities(predicted), entities(gold)) for predicted, gold in pairs]
    right = sum(len(one & other) for one, other in found)
    return 2 * right / max(sum(len(one) + len(other) for one, other in found), 1)


def entities(tags: list[str]) -> set[tuple[int, int, str]]:
    spans, begin = set(), None
    for place, tag in enumerate([*tags, "O"]):
        goes_on = begin is not None and tag == f"I-{tags[begin].split('-')[1]}"
        if begin is not None and not goes_on:
            spans.add((begin, place, tags[begin].split("-")[1]))
            begin = None
        if tag != "O" and not goes_on:
            begin = place
    return spans


if __name__ == "__main__":
    main()
