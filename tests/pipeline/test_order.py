import numpy as np
import pytest

from tfdomain.errors import InputError
from tfdomain.pipeline.order import epoch_batches

GOLDEN = [[5, 9, 6, 2], [4, 0, 8, 1], [3, 7]]


def skewed_lengths(count: int) -> np.ndarray:
    return np.minimum(np.random.default_rng(1).lognormal(3, 0.8, count), 128).astype(np.int32) + 2


def flat(batches) -> list[int]:
    return np.concatenate(list(batches)).tolist()


def padding_share(batches, lengths) -> float:
    padded = sum(len(batch) * int(lengths[batch].max()) for batch in batches)
    return 1 - int(lengths.sum()) / padded


@pytest.mark.parametrize(("count", "batch_size"), [(1, 8), (8, 8), (9, 8), (4001, 8), (1700, 32), (5, 100)])
@pytest.mark.parametrize("options", [{}, {"group": False}, {"shuffle": False}, {"shuffle": False, "group": False}])
def test_every_row_once_in_the_stated_number_of_batches(count, batch_size, options):
    batches = epoch_batches(skewed_lengths(count), batch_size=batch_size, seed=3, epoch=1, **options)
    assert len(batches) == -(-count // batch_size) == len(list(batches))
    assert sorted(flat(batches)) == list(range(count))
    sizes = sorted(map(len, batches))
    assert sizes[1:] == [batch_size] * (len(batches) - 1)
    assert batches[0].dtype == np.int64


def test_the_order_depends_on_seed_and_epoch_alone():
    lengths = skewed_lengths(500)
    orders = {
        (seed, epoch): tuple(flat(epoch_batches(lengths, batch_size=8, seed=seed, epoch=epoch)))
        for seed in range(3)
        for epoch in range(3)
    }
    assert len(set(orders.values())) == 9
    for (seed, epoch), order in orders.items():
        again = epoch_batches(lengths.astype(np.int64), batch_size=8, seed=seed, epoch=epoch)
        assert tuple(flat(again)) == order


def test_the_order_stays_what_it_was_in_earlier_releases():
    # A run that was started with one release must be resumed by the next.
    batches = epoch_batches(np.arange(10) % 4, batch_size=4, seed=7, epoch=2)
    assert [batch.tolist() for batch in batches] == GOLDEN


def test_grouping_more_than_halves_the_padding():
    lengths = skewed_lengths(20_000)
    grouped = epoch_batches(lengths, batch_size=32)
    mixed = epoch_batches(lengths, batch_size=32, group=False)
    assert padding_share(grouped, lengths) < 0.5 * padding_share(mixed, lengths)


def test_rows_meet_others_from_epoch_to_epoch():
    lengths = skewed_lengths(6400)
    first, second = (epoch_batches(lengths, batch_size=32, epoch=epoch) for epoch in range(2))
    batch_of = {row: set(batch.tolist()) for batch in second for row in batch.tolist()}
    shared = [len(batch_of[row] & set(batch.tolist())) for batch in first for row in batch.tolist()]
    # Of 32 rows about a quarter, since a window holds a quarter of all.
    assert np.mean(shared) < 16


def test_batches_come_in_no_order_of_length():
    lengths = skewed_lengths(20_000)
    means = [lengths[batch].mean() for batch in epoch_batches(lengths, batch_size=32)]
    assert abs(np.corrcoef(means[:-1], means[1:])[0, 1]) < 0.15


def test_equal_lengths_are_shuffled_too():
    order = flat(epoch_batches(np.full(1000, 5), batch_size=10))
    assert abs(np.corrcoef(order, np.arange(1000))[0, 1]) < 0.15


def test_fixed_orders():
    lengths = np.array([3, 9, 3, 7])
    assert flat(epoch_batches(lengths, batch_size=3, shuffle=False, epoch=5)) == [1, 3, 0, 2]
    assert flat(epoch_batches(lengths, batch_size=3, shuffle=False, group=False)) == [0, 1, 2, 3]


def test_slices_are_batches_again():
    batches = epoch_batches(skewed_lengths(100), batch_size=8)
    rest = batches[5:]
    assert len(rest) == len(batches) - 5
    assert [batch.tolist() for batch in rest] == [batch.tolist() for batch in list(batches)[5:]]
    assert batches[-1].tolist() == list(batches)[-1].tolist()


@pytest.mark.parametrize(("name", "value"), [("batch_size", 0), ("seed", -1), ("epoch", -1)])
def test_numbers_out_of_range(name, value):
    with pytest.raises(InputError, match=f"{name}: is {value}; choose"):
        epoch_batches(np.ones(4), **({"batch_size": 2} | {name: value}))


@pytest.mark.parametrize(("count", "batch_tokens"), [(1, 130), (700, 130), (4001, 1000), (5, 10_000)])
@pytest.mark.parametrize("options", [{}, {"group": False}, {"shuffle": False}, {"shuffle": False, "group": False}])
def test_batches_of_tokens_hold_each_row_once_and_no_more_tokens(count, batch_tokens, options):
    lengths = skewed_lengths(count)
    batches = epoch_batches(lengths, batch_size=32, batch_tokens=batch_tokens, seed=3, epoch=1, **options)
    assert sorted(flat(batches)) == list(range(count))
    sizes = [len(batch) * int(lengths[batch].max()) for batch in batches]
    assert max(sizes) <= batch_tokens
    if options.get("group", True) and count > 4000:
        # Grouped rows fill what they may: one more would be too much for most batches.
        assert np.mean(sizes) > 0.9 * batch_tokens and len({len(batch) for batch in batches}) > 10


def test_batches_of_tokens_differ_by_seed_and_epoch_alone():
    lengths = skewed_lengths(500)
    orders = [
        flat(epoch_batches(lengths, batch_size=1, batch_tokens=256, seed=seed, epoch=epoch))
        for seed, epoch in [(0, 0), (0, 0), (0, 1), (1, 0)]
    ]
    assert orders[0] == orders[1] and orders[0] != orders[2] != orders[3] != orders[0]


def test_a_row_of_more_tokens_than_a_batch_is_refused():
    with pytest.raises(InputError, match="batch_tokens: is 9, and a text has 10 tokens; choose 10 or more"):
        epoch_batches(np.array([3, 10]), batch_size=1, batch_tokens=9)
