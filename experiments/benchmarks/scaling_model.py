"""The time model of several devices, checked by two processes and asked of larger machines; Markdown.

    python experiments/benchmarks/scaling_model.py --compute MS --exchange MS --measured MS

An update takes what the slowest of three ways takes: computing and then exchanging, one after the other, or reading,
beside both. By a ring of n devices each sends 2 (n - 1) / n times the dense gradients, and n - 1 times the rows of the
word table that its batch touched (Patarasuk and Yuan 2009, "Bandwidth optimal all-reduce algorithms for clusters of
workstations").
"""

import argparse
import dataclasses

from tfdomain.encoders.config import EncoderConfig
from tfdomain.profiling.arithmetic import training_operations

FLOAT_BYTES = 4
WORDS, POSITIONS = 30_522, 512


@dataclasses.dataclass(frozen=True)
class Machine:
    """Devices that train together.

    Attributes:
        name: As the table has it.
        num_devices: How many.
        operations: Matrix-product operations a second of one that a training reaches.
        bandwidth: Bytes a second that one sends in an all-reduce.
        latency: Seconds of an exchange however small.
        sends_rows: Whether only the touched rows of the word table are sent.
        tokens_read: Tokens a second that a host reads and tokenizes; each host reads every batch.
    """

    name: str
    num_devices: int
    operations: float
    bandwidth: float
    latency: float
    sends_rows: bool
    tokens_read: float


# Of the peaks that the makers state for bfloat16, two fifths; of the links, a half of NVLink's 600 GB/s (both
# directions together), and what Google states for an all-reduce of a pod, 340 TB/s over 1,024 chips of two cores each.
# What is read is what one core tokenized in a second (tokenizer_throughput.py).
REACHED = 0.4
MACHINES = [
    Machine("8 GPUs (A100, NVLink)", 8, REACHED * 312e12, 0.5 * 600e9, 1e-4, True, 3e6),
    Machine("8 GPUs on 8 hosts (A100, 100 Gbit/s)", 8, REACHED * 312e12, 12.5e9, 1e-3, True, 3e6),
    Machine("64 TPU cores (v3)", 64, REACHED * 61.5e12, 340e12 / 2048, 1e-4, False, 3e6),
]
ENCODERS = {"base": (768, 12, 3072), "large": (1024, 24, 4096)}
BATCHES = [(32, 128), (8, 512), (32, 512)]
DISTINCT = 0.25
"""How many of a batch's tokens are distinct pieces."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compute", type=float, help="ms of half a batch on one thread, without exchange")
    parser.add_argument("--exchange", type=float, help="ms of the dense gradients' exchange, by exchange_time.py")
    parser.add_argument("--measured", type=float, help="ms of an update of two workers, by two_workers.py")
    arguments = parser.parse_args()
    if arguments.compute and arguments.exchange and arguments.measured:
        told = arguments.compute + arguments.exchange
        print(f"two workers: {told:.0f} ms an update by the model, {arguments.measured:.0f} ms measured\n")
    print("| machine | BERT | batch a device | compute ms | exchange ms | share of linear | read ms |")
    print("|---|---|---|---|---|---|---|")
    for machine in MACHINES:
        for name, (hidden, layers, inner) in ENCODERS.items():
            config = EncoderConfig(
                vocab_size=WORDS,
                hidden_size=hidden,
                num_hidden_layers=layers,
                num_attention_heads=hidden // 64,
                intermediate_size=inner,
                max_position_embeddings=POSITIONS,
            )
            for rows, length in BATCHES:
                print(line(machine, name, config, rows, length))


def line(machine: Machine, name: str, config: EncoderConfig, rows: int, length: int) -> str:
    """A row of the table."""
    compute = training_operations(config, rows, length) / machine.operations
    exchange = machine.latency + sent_bytes(machine, config, rows * length) / machine.bandwidth
    read = machine.num_devices * rows * length / machine.tokens_read
    share = compute / max(compute + exchange, read)
    figures = f"{1000 * compute:.1f} | {1000 * exchange:.1f} | {share:.2f} | {1000 * read:.1f}"
    return f"| {machine.name} | {name} | {rows} x {length} | {figures} |"


def sent_bytes(machine: Machine, config: EncoderConfig, tokens: int) -> float:
    """What a device sends in an update."""
    hidden, inner = config.hidden_size, config.intermediate_size
    layer = 4 * (hidden * hidden + hidden) + 2 * hidden * inner + inner + hidden + 4 * hidden
    table = config.vocab_size * hidden
    dense = config.num_hidden_layers * layer + (config.max_position_embeddings + 4) * hidden
    ring = 2 * (machine.num_devices - 1) / machine.num_devices * FLOAT_BYTES
    touched = min(DISTINCT * tokens, config.vocab_size) * (hidden + 1)
    # The rule of tfdomain.optimization.exchange: what sends less.
    if machine.sends_rows and machine.num_devices * touched < 2 * table:
        return ring * dense + (machine.num_devices - 1) * touched * FLOAT_BYTES
    return ring * (dense + table)


if __name__ == "__main__":
    main()
