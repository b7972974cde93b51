"""Makes a small Chinese encoder with fresh weights, for the Chinese experiments until a pretrained one is at hand.

Its vocabulary is the characters of the Chinese data sets that occur at least ten times, and letters and digits, whole
and as continuations, so that every word can be spelled. Nothing is pretrained: what it knows after a run, it learned
from that run's labels.

python experiments/make_zh_encoder.py --to runs/zh_encoder
"""

import argparse
import gzip
import json
import os
import string
from collections import Counter
from pathlib import Path

from tfdomain.encoders.checkpoints import save_checkpoint
from tfdomain.encoders.config import EncoderConfig
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.tokenizer import Tokenizer

SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
SOURCES = ("zh_*/*", "zh_*/*/*", "stsb_en_zh/*zh*", "qa_span/cmrc*", "qa_span/*zh*")
MIN_COUNT = 10
CHUNK = 1 << 22


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("runs/zh_encoder"))
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data = Path(os.environ["TFDOMAIN_DATA_DIR"])
    files = sorted({path for pattern in SOURCES for path in data.glob(pattern) if path.name != "SOURCE.md"})
    vocabulary = make_vocabulary([path for path in files if path.is_file()])
    config = EncoderConfig(
        vocab_size=len(vocabulary),
        hidden_size=arguments.hidden,
        num_hidden_layers=arguments.layers,
        num_attention_heads=arguments.hidden // 64,
        intermediate_size=4 * arguments.hidden,
        max_position_embeddings=512,
    )
    save_checkpoint(Encoder(config, seed=arguments.seed), arguments.to)
    (arguments.to / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    settings = {"do_lower_case": True, "tokenizer_class": "BertTokenizer", "model_max_length": 512}
    (arguments.to / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    Tokenizer.from_pretrained(arguments.to).save(arguments.to)
    print(f"{arguments.to}: {len(vocabulary)} tokens, {arguments.layers} layers of {arguments.hidden}")


def make_vocabulary(files: list[Path]) -> list[str]:
    """The special tokens, what ASCII words are spelled of, and the frequent other characters, commonest first."""
    counts: Counter[str] = Counter()
    for path in files:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8", errors="ignore") as file:
            while text := file.read(CHUNK):
                counts.update(text.lower())
    ascii_letters = string.ascii_lowercase + string.digits
    plain = [*string.punctuation, *ascii_letters, *(f"##{character}" for character in ascii_letters)]
    others = [
        character
        for character, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        if count >= MIN_COUNT and not character.isascii() and character.isprintable() and not character.isspace()
    ]
    return [*SPECIALS, *plain, *others]


if __name__ == "__main__":
    main()
