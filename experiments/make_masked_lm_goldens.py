"""Writes the reference scores that the masked language model is tested against, from transformers' PyTorch BERT.

Needs an environment of its own with torch, transformers, safetensors, numpy and pytest (tfdomain itself is not
imported, and never needs torch). From the project's root:

    python experiments/make_masked_lm_goldens.py

The checkpoint is the tiny random one of `tests/conftest.py` with such a head.
"""

import importlib.util
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests" / "models" / "goldens" / "masked_lm.npz"
IGNORED_BY_TORCH = -100


def main() -> None:
    spec = importlib.util.spec_from_file_location("conftest", ROOT / "tests" / "conftest.py")
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    with tempfile.TemporaryDirectory() as folder:
        path = conftest.write_tiny_checkpoint(Path(folder) / "checkpoint", prefix="bert.", pooler=False, masked_lm=True)
        model = transformers.BertForMaskedLM.from_pretrained(path, attn_implementation="eager").eval()
    random = np.random.default_rng(0)
    mask = (np.arange(12) < np.array([12, 7, 3])[:, None]).astype("int32")
    token_ids = random.integers(5, model.config.vocab_size, mask.shape).astype("int32") * mask
    labels = np.where((random.random(mask.shape) < 0.3) & (mask == 1), token_ids, -1).astype("int32")
    given = np.where(labels == -1, IGNORED_BY_TORCH, labels)
    arrays = {name: torch.from_numpy(array.astype("int64")) for name, array in (("ids", token_ids), ("mask", mask))}
    output = model(input_ids=arrays["ids"], attention_mask=arrays["mask"], labels=torch.from_numpy(given).long())
    output.loss.backward()
    gradient = model.bert.embeddings.word_embeddings.weight.grad.numpy()
    GOLDEN.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        GOLDEN,
        token_ids=token_ids,
        padding_mask=mask,
        labels=labels,
        scores=output.logits.detach().numpy()[labels != -1],
        loss=output.loss.detach().numpy(),
        table_gradient=gradient,
    )
    print(f"{GOLDEN.relative_to(ROOT)}: {GOLDEN.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
