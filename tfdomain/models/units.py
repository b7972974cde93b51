"""What a tagger tags: words or pieces of a token batch, and the tags that entities give them, inside the graph."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from tfdomain.models.tag_moves import SCHEMES

__all__ = ["Places", "Units", "border_remarks", "find_units", "place_entities", "unit_tags"]


class Units(NamedTuple):
    """The units of each row, in their order, `[batch, n]`; `n` is the most that a row has, and at least 1.

    `tokens` int32 is the position of each unit's first token, `starts` and `ends` int32 are its
    characters in the text, and `mask` is True where there is a unit.
    """

    tokens: tf.Tensor
    starts: tf.Tensor
    ends: tf.Tensor
    mask: tf.Tensor


class Places(NamedTuple):
    """Which units each entity takes, `[batch, max_entities]`.

    `first` and `last` unit and the `types` are int32; `found` is False where there is no entity, or
    none of the text's units is left for it.
    """

    first: tf.Tensor
    last: tf.Tensor
    types: tf.Tensor
    found: tf.Tensor


def find_units(batch: Mapping[str, tf.Tensor], continues: np.ndarray) -> Units:
    """The units of whole texts.

    Args:
        batch: `token_ids`, `padding_mask` int32 `[batch, length]` and `offsets` int32 `[batch, length, 2]`; each row
            begins with `[CLS]` and ends with `[SEP]`.
        continues: Bool `[vocabulary]`, whether a token goes on with the unit before it.
    """
    token_ids, offsets = batch["token_ids"], batch["offsets"]
    position = tf.range(tf.shape(token_ids)[1])
    length = tf.reduce_sum(batch["padding_mask"], axis=1, keepdims=True)
    is_content = (position > 0) & (position < length - 1)
    begins = is_content & ~tf.gather(tf.constant(continues), token_ids)
    counts = tf.cumsum(tf.cast(begins, tf.int32), axis=1)  # [batch, length]
    shape = tf.stack([tf.shape(token_ids)[0], tf.maximum(tf.reduce_max(counts), 1)])

    first = tf.cast(tf.where(begins), tf.int32)
    tokens = tf.scatter_nd(tf.stack([first[:, 0], tf.gather_nd(counts, first) - 1], axis=1), first[:, 1], shape)
    pieces = tf.cast(tf.where(is_content), tf.int32)
    unit = tf.stack([pieces[:, 0], tf.maximum(tf.gather_nd(counts, pieces) - 1, 0)], axis=1)
    ends = tf.tensor_scatter_nd_max(tf.zeros(shape, tf.int32), unit, tf.gather_nd(offsets[:, :, 1], pieces))
    starts = tf.gather(offsets[:, :, 0], tokens, batch_dims=1)
    return Units(tokens, starts, ends, tf.sequence_mask(tf.reduce_max(counts, axis=1), shape[1]))


def place_entities(entities: tf.Tensor, units: Units) -> Places:
    """The units that entities touch: one that an entity cuts belongs to it whole, and to the first such entity.

    Args:
        entities: int32 `[batch, max_entities, 3]`: start, end, type; sorted by the start, none overlapping, and
            zeros behind them.
        units: What is tagged.
    """
    start, end, types = tf.unstack(entities, axis=2)
    beyond = tf.int32.max
    first = tf.searchsorted(tf.where(units.mask, units.ends, beyond), start, side="right")
    last = tf.searchsorted(tf.where(units.mask, units.starts, beyond), end, side="left") - 1
    taken = tf.pad(last[:, :-1], [[0, 0], [1, 0]], constant_values=-1)
    first = tf.maximum(first, taken + 1)
    found = (end > 0) & (first <= last)
    # What is not found must not point beyond the units.
    return Places(tf.minimum(first, tf.shape(units.starts)[1] - 1), tf.maximum(last, 0), types, found)


def unit_tags(places: Places, units: Units, scheme: str) -> tf.Tensor:
    """The tags that entities give to units.

    Args:
        places: What `place_entities` gave.
        units: What is tagged.
        scheme: One of `tfdomain.models.tag_moves.SCHEMES`.

    Returns:
        int32 `[batch, n]`, places in `tag_names(types, scheme)`.
    """
    found = tf.where(places.found)
    row, first, last, types = (
        tf.cast(part, tf.int32)
        for part in (found[:, 0], *(tf.gather_nd(part, found) for part in (places.first, places.last, places.types)))
    )
    shape = tf.shape(units.tokens)

    def marked(unit, value):
        return tf.scatter_nd(tf.stack([row, unit], axis=1), value, shape + tf.constant([0, 1]))

    here = tf.cumsum(marked(first, types + 1) - marked(last + 1, types + 1), axis=1)[:, :-1]  # 1 + type, or 0
    opens, closes = (marked(unit, tf.ones_like(unit))[:, :-1] > 0 for unit in (first, last))
    letters = SCHEMES[scheme]
    prefix = tf.where(opens, letters.index("B"), letters.index("I"))
    if "E" in letters:
        prefix = tf.where(closes, tf.where(opens, letters.index("S"), letters.index("E")), prefix)
    return tf.where(here > 0, 1 + (here - 1) * len(letters) + prefix, 0)


def border_remarks(batches: Iterable[Mapping[str, tf.Tensor]], units_of: Callable[..., Units]) -> list[str]:
    """How many entities begin or end inside a unit, or share one: they are learned otherwise than labelled.

    Args:
        batches: Token batches with `labels`, int32 `[batch, max_entities, 3]`: start, end and label.
        units_of: Gives the units of a batch.
    """
    num_widened = num_lost = 0
    for batch in batches:
        units, entities = units_of(batch), batch["labels"]
        places = place_entities(entities, units)
        cut = tf.gather(units.starts, places.first, batch_dims=1) < entities[:, :, 0]
        cut |= tf.gather(units.ends, places.last, batch_dims=1) > entities[:, :, 1]
        num_widened += int(tf.reduce_sum(tf.cast(cut & places.found, tf.int32)))
        num_lost += int(tf.reduce_sum(tf.cast((entities[:, :, 1] > 0) & ~places.found, tf.int32)))
    remarks = []
    if num_widened:
        they = "1 entity begins or ends" if num_widened == 1 else f"{num_widened:,} entities begin or end"
        remarks.append(f"{they} inside a word of the tokenizer: training takes the whole word")
    if num_lost:
        they = "1 entity has" if num_lost == 1 else f"{num_lost:,} entities have"
        remarks.append(f"{they} no word of the tokenizer that is no other entity's: training leaves out such")
    return remarks
