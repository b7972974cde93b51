"""Users as the texts of what they liked, pairs to train on, and popularity, the baseline.

All are made of the rows that they are given, and a pair's history holds only what its user liked strictly
before: with the training rows of `interactions.split_in_time`, nothing after the split reaches training.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfdomain.data.interactions import Interactions
from tfdomain.errors import InputError

__all__ = ["Pairs", "items_by_user", "popularity", "positive_pairs", "user_texts"]

SEPARATOR = "; "


class Pairs(NamedTuple):
    """What a user liked so far, and what the user liked next.

    Attributes:
        anchors: The histories, as `user_texts` writes them.
        positives: The texts of the items liked next.
        users: int32, whose each pair is; pairs of one user are no negatives of each other.
        items: int32, which item is the positive.
        times: float64, when it was liked.
    """

    anchors: list[str]
    positives: list[str]
    users: np.ndarray
    items: np.ndarray
    times: np.ndarray


def user_texts(
    interactions: Interactions,
    rows: np.ndarray,
    item_texts: Sequence[str],
    users: Sequence[int],
    *,
    num_items: int = 20,
    separator: str = SEPARATOR,
) -> list[str]:
    """Users as the texts of what they liked, the latest first.

    Args:
        interactions: The events.
        rows: Which of them may be used (`TimeSplit.train`).
        item_texts: The text of each of `interactions.item_ids`.
        users: Places in `interactions.user_ids`.
        num_items: How many of the latest likes to take.
        separator: What stands between two texts.

    Returns:
        A text for each of `users`, empty for one who liked nothing.
    """
    _check_texts(interactions, item_texts, num_items)
    likes = dict(interactions.by_user(rows[interactions.liked[rows]]))
    histories = (interactions.items[likes.get(int(user), rows[:0])] for user in users)
    return [_text(items, item_texts, num_items, separator) for items in histories]


def positive_pairs(
    interactions: Interactions,
    rows: np.ndarray,
    item_texts: Sequence[str],
    *,
    num_items: int = 20,
    separator: str = SEPARATOR,
    most_a_user: int | None = None,
) -> Pairs:
    """For each like, what its user had liked strictly before, and the item; the first likes have no pair.

    Args:
        interactions: The events.
        rows: Which of them may be used (`TimeSplit.train`).
        item_texts: The text of each of `interactions.item_ids`.
        num_items: How many of the latest likes make a history.
        separator: What stands between two texts.
        most_a_user: The latest pairs of a user to take, so that a few users do not outweigh the others;
            None: all.

    Returns:
        The pairs, user by user, in the order of time.
    """
    _check_texts(interactions, item_texts, num_items)
    if most_a_user is not None and most_a_user < 1:
        raise InputError(f"is {most_a_user}", where="most_a_user", mend="choose at least 1, or None")
    anchors, chosen = [], []
    for _, likes in interactions.by_user(rows[interactions.liked[rows]]):
        times, items = interactions.times[likes], interactions.items[likes]
        # Likes of one moment have no order: none is in the other's history.
        num_before = np.searchsorted(times, times, side="left")
        pairs = np.flatnonzero(num_before)
        for pair in pairs[-most_a_user if most_a_user else 0 :].tolist():
            anchors.append(_text(items[: num_before[pair]], item_texts, num_items, separator))
            chosen.append(likes[pair])
    places = np.array(chosen, np.int64)
    positives = [item_texts[item] for item in interactions.items[places].tolist()]
    return Pairs(anchors, positives, interactions.users[places], interactions.items[places], interactions.times[places])


def popularity(interactions: Interactions, rows: np.ndarray) -> np.ndarray:
    """All items, the most often liked in `rows` first, of equal ones the lower place: int64 `[items]`."""
    likes = interactions.items[rows[interactions.liked[rows]]]
    return np.argsort(-np.bincount(likes, minlength=len(interactions.item_ids)), kind="stable")


def items_by_user(interactions: Interactions, rows: np.ndarray, users: Sequence[int]) -> list[np.ndarray]:
    """The distinct items of each user's events among `rows`, ascending: what to leave out, or what to find."""
    by_user = dict(interactions.by_user(rows))
    return [np.unique(interactions.items[by_user.get(int(user), rows[:0])]) for user in users]


def _text(items: np.ndarray, item_texts: Sequence[str], num_items: int, separator: str) -> str:
    return separator.join(item_texts[item] for item in items[-num_items:][::-1].tolist())


def _check_texts(interactions: Interactions, item_texts: Sequence[str], num_items: int) -> None:
    if len(item_texts) != len(interactions.item_ids):
        problem = f"there are {len(item_texts):,} for {len(interactions.item_ids):,} items"
        raise InputError(problem, where="item_texts", mend="give one for each of item_ids")
    if num_items < 1:
        raise InputError(f"is {num_items}", where="num_items", mend="choose at least 1")
