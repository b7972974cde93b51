"""Question answering from files to a model, its predictions and its metrics."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import tfdomain
from tfdomain.cli import main
from tfdomain.config import load_experiment
from tfdomain.data.examples import Reading
from tfdomain.data.readers import read_examples
from tfdomain.training.run import train

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).resolve().parents[2]
CONTEXTS = ["we paid the loan . ", "my car was lost at school . ", "银行 paid 😀 money . ", "the old house is good . "]


def squad(contexts, *, num_questions):
    """SQuAD's form: of each context so many questions for its second word, and one without an answer."""
    paragraphs = []
    for number, context in enumerate(contexts):
        word = context.split()[1]
        answer = {"text": word, "answer_start": context.index(word)}
        questions = [
            {"id": f"{number}-{place}", "question": "what ?", "answers": [answer]} for place in range(num_questions)
        ]
        questions.append({"id": f"{number}-none", "question": "who ?", "answers": [], "is_impossible": True})
        paragraphs.append({"context": context, "qas": questions})
    return {"version": "2.0", "data": [{"title": "a title", "paragraphs": paragraphs}]}


@pytest.fixture(scope="module")
def run(tmp_path_factory, tiny_checkpoint):
    """The folder of a finished run, in that of its files."""
    folder = tmp_path_factory.mktemp("span")
    train_contexts = [context * (1 + place) for place, context in enumerate(CONTEXTS)]
    (folder / "train.json").write_text(json.dumps(squad(train_contexts, num_questions=2)), encoding="utf-8")
    (folder / "test.json").write_text(json.dumps(squad(CONTEXTS[:2], num_questions=1)), encoding="utf-8")
    values = {
        "name": "questions",
        "task": "span",
        "encoder": str(tiny_checkpoint),
        "max_length": 24,
        "data": {"train": "train.json", "validation": 0.25, "test": "test.json"},
        "model": {"max_answer_tokens": 5, "overlap": 4},
        "training": {"epochs": 2, "batch_size": 4, "learning_rate": 0.01, "best": "answer_f1"},
    }
    (folder / "questions.yaml").write_text(yaml.safe_dump(values))
    train(load_experiment(folder / "questions.yaml"), folder / "run", folder=folder, verbose=0)
    return folder / "run"


def test_metrics_and_model(run):
    metrics = json.loads((run / "metrics.json").read_text())
    # All three questions of one context are held out.
    assert (metrics["validation"]["num_examples"], metrics["test"]["num_examples"]) == (3, 4)
    assert {"exact_match", "answer_f1", "answerable_f1", "no_answer_accuracy"} <= set(metrics["test"])
    assert "answer F1" in (run / "report.txt").read_text()
    model = tfdomain.load(run / "model")
    assert isinstance(model, tfdomain.SpanExtractor)
    assert model.settings() == {"max_length": 24, "overlap": 4, "max_answer_tokens": 5, "answer_threshold": 0.0}


def command(*arguments):
    with pytest.raises(SystemExit) as end:
        main([str(one) for one in arguments])
    assert end.value.code == 0


def test_evaluate_and_predict(run, capsys):
    command("evaluate", run, "--data", run.parent / "test.json", "--json")
    assert json.loads(capsys.readouterr().out) == json.loads((run / "metrics.json").read_text())["test"]
    source = [{"question": "what ?", "context": CONTEXTS[2], "answer": "a note"}, {"question": "", "context": ""}]
    (run.parent / "ask.jsonl").write_text("".join(json.dumps(row) + "\n" for row in source))
    command("predict", run, "--input", run.parent / "ask.jsonl", "--output", run.parent / "told.jsonl")
    told = [json.loads(line) for line in (run.parent / "told.jsonl").read_text(encoding="utf-8").splitlines()]
    assert told[0]["source_answer"] == "a note"
    assert told[0]["answer"] == CONTEXTS[2][told[0]["start"] : told[0]["end"]]
    assert told[1]["answer"] == "" and told[1]["score"] == 0
    command("predict", run, "--input", run.parent / "test.json", "--output", run.parent / "squad.jsonl")
    told = [json.loads(line) for line in (run.parent / "squad.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["id"], row["question"]) for row in told[:2]] == [("0-0", "what ?"), ("0-none", "who ?")]
    assert len(told) == 4 and all(row["answer"] == row["context"][row["start"] : row["end"]] for row in told)


@pytest.mark.parametrize("name", ["qa_span", "qa_span_zh"])
def test_experiments_load(name):
    assert load_experiment(ROOT / f"experiments/{name}.yaml").task == "span"


def test_page_shows_the_experiment_as_it_is():
    page = (ROOT / "docs/span.md").read_text(encoding="utf-8")
    shown = page.split("```yaml\n")[1].split("```")[0]
    assert yaml.safe_load(shown) == yaml.safe_load((ROOT / "experiments/qa_span.yaml").read_text())


@pytest.mark.real
def test_page_python(tmp_path, minilm):
    code = (ROOT / "docs/span.md").read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    code = code.replace('"sentence-transformers/all-MiniLM-L6-v2"', repr(str(minilm)))
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.real
@pytest.mark.parametrize(("name", "count", "skipped"), [("xquad.en", 1190, 0), ("xquad.zh", 1190, 0)])
def test_every_real_answer_is_found_by_its_tokens(data_dir, minilm, name, count, skipped):
    """Labels that go through tokens, words and windows come back as the words that they touch."""
    import numpy as np
    import tensorflow as tf

    from tfdomain.models.answer_spans import answer_words, context_words

    file = data_dir / f"qa_span/{name}.json.gz"
    examples = read_examples("span", [file], None, Reading())
    assert (len(examples), examples.num_skipped) == (count, skipped)
    model = tfdomain.SpanExtractor.from_pretrained(str(minilm))
    labels = examples.encode({}, Reading()).labels
    exact = 0
    for start in range(0, 320, 64):
        rows = slice(start, start + 64)
        questions, contexts = (column.to_pylist()[rows] for column in examples.inputs)
        batch = model.prepare({"question": tf.constant(questions), "context": tf.constant(contexts)})
        words = context_words(batch, tf.gather(model.tokenizer.continues, batch["token_ids"]))
        spans = answer_words(tf.constant(labels[rows]), words, batch["offsets"]).numpy()
        for row, context in enumerate(contexts):
            first, last = spans[row, 0]
            at = np.flatnonzero((words.number[row] >= first) & (words.number[row] <= last))
            begin, end = int(batch["offsets"][row, at[0], 0]), int(batch["offsets"][row, at[-1], 1])
            label_start, label_end = labels[start + row, 0]
            assert begin <= label_start and label_end <= end, context[label_start:label_end]
            exact += (begin, end) == (label_start, label_end)
    assert exact >= 0.97 * 320
