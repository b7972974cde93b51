"""Writes the reference outputs that the encoder is tested against, from transformers' PyTorch BERT.

Needs an environment of its own with torch, transformers, safetensors, numpy and pytest (tfdomain itself is not
imported, and never needs torch). From the project's root:

    python experiments/make_encoder_goldens.py --minilm FOLDER

FOLDER is the checkpoint sentence-transformers/all-MiniLM-L6-v2. The tiny random checkpoints are those of
`tests/conftest.py`, one for every line of `tests/encoders/goldens/tiny_cases.json`. The outputs are eager
attention in float32 on the CPU, in evaluation mode.
"""

import argparse
import importlib.util
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers

ROOT = Path(__file__).resolve().parent.parent
GOLDENS = ROOT / "tests" / "encoders" / "goldens"

# Single texts and pairs of very different lengths; the last one fills all 512 positions.
INPUTS = [
    ("Hello world", None),
    ("The applicant asks for 12,500 dollars to replace a broken furnace before winter.", None),
    ("Is the loan repaid?", "It was paid back in full, two months early."),
    ("ångström naïve 東京 😀 ﬁnal", "ΑΒΓ Σίσυφος"),
    ("", None),
    ("interest " * 600, None),
]
KEPT_POSITIONS = 24

# What the gradients are taken of: the embeddings, both ends of a block, a norm, the pooler.
GRADIENTS = (
    "embeddings.word_embeddings.weight",
    "embeddings.position_embeddings.weight",
    "embeddings.token_type_embeddings.weight",
    "encoder.layer.0.attention.self.query.weight",
    "encoder.layer.0.attention.self.value.bias",
    "encoder.layer.1.intermediate.dense.weight",
    "encoder.layer.1.output.LayerNorm.weight",
    "pooler.dense.weight",
)


def load_model(folder: Path, pooler: bool = True) -> torch.nn.Module:
    model = transformers.BertModel.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32, add_pooling_layer=pooler
    )
    return model.eval()


def run(model: torch.nn.Module, token_ids: np.ndarray, segment_ids: np.ndarray, mask: np.ndarray):
    to_tensor = lambda array: torch.from_numpy(array.astype("int64"))  # noqa: E731
    return model(input_ids=to_tensor(token_ids), token_type_ids=to_tensor(segment_ids), attention_mask=to_tensor(mask))


def tiny_inputs(config: dict, seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    lengths = np.array([12, 7, 1])
    token_ids = random.integers(5, config["vocab_size"], (3, 12))
    mask = (np.arange(12) < lengths[:, None]).astype("int32")
    segment_ids = random.integers(0, config["type_vocab_size"], (3, 12))
    return {
        "token_ids": (token_ids * mask).astype("int32"),
        "segment_ids": (segment_ids * mask).astype("int32"),
        "padding_mask": mask,
    }


def tiny_goldens() -> dict[str, np.ndarray]:
    spec = importlib.util.spec_from_file_location("conftest", ROOT / "tests" / "conftest.py")
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    arrays = {}
    for number, case in enumerate(json.loads((GOLDENS / "tiny_cases.json").read_text())):
        name = case.pop("name")
        with tempfile.TemporaryDirectory() as folder:
            path = conftest.write_tiny_checkpoint(Path(folder) / "checkpoint", **case)
            config = json.loads((path / "config.json").read_text())
            model = load_model(path, case.get("pooler", True))
        inputs = tiny_inputs(config, number)
        output = run(model, inputs["token_ids"], inputs["segment_ids"], inputs["padding_mask"])
        arrays |= {f"{name}/{key}": array for key, array in inputs.items()}
        arrays[f"{name}/hidden"] = output.last_hidden_state.detach().numpy()
        if output.pooler_output is not None:
            arrays[f"{name}/pooled"] = output.pooler_output.detach().numpy()
        if name == "plain":
            # Every kept position and the pooler take part; the same scalar stands in the test.
            kept = torch.from_numpy(inputs["padding_mask"]).unsqueeze(-1)
            loss = (torch.tanh(output.last_hidden_state) * kept).sum() + (output.pooler_output**2).sum()
            loss.backward()
            parameters = dict(model.named_parameters())
            arrays |= {f"{name}/gradient/{key}": parameters[key].grad.numpy() for key in GRADIENTS}
    return arrays


def minilm_goldens(folder: Path) -> dict[str, np.ndarray]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    texts, pairs = zip(*INPUTS, strict=True)
    encoded = tokenizer(
        list(texts), [pair or "" for pair in pairs], truncation=True, max_length=512, padding=True, return_tensors="np"
    )
    for row, pair in enumerate(pairs):
        if pair is None:  # The tokenizer takes pairs for all rows or none: this row is a single text.
            single = tokenizer(texts[row], truncation=True, max_length=512, padding="max_length", return_tensors="np")
            for key in encoded:
                encoded[key][row] = single[key][0, : encoded[key].shape[1]]
    token_ids, segment_ids = encoded["input_ids"], encoded["token_type_ids"]
    mask = encoded["attention_mask"]
    output = run(load_model(folder), token_ids, segment_ids, mask)
    lengths = mask.sum(axis=1)
    positions = np.stack([np.linspace(0, length - 1, KEPT_POSITIONS).round() for length in lengths])
    positions = positions.astype("int32")
    hidden = output.last_hidden_state.detach().numpy()
    return {
        "token_ids": token_ids.astype("int32"),
        "segment_ids": segment_ids.astype("int32"),
        "padding_mask": mask.astype("int32"),
        "positions": positions,
        "hidden": np.take_along_axis(hidden, positions[:, :, None], axis=1),
        "pooled": output.pooler_output.detach().numpy(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minilm", type=Path, required=True, help="the folder of all-MiniLM-L6-v2")
    arguments = parser.parse_args()
    for name, arrays in (("tiny", tiny_goldens()), ("minilm", minilm_goldens(arguments.minilm))):
        path = GOLDENS / f"{name}.npz"
        np.savez_compressed(path, **arrays)
        print(f"{path.relative_to(ROOT)}: {len(arrays)} arrays, {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
