"""Who liked what and when, in the order of time, and a split in time.

Reference: Meng et al. 2020, "Exploring Data Splitting Strategies for the Evaluation of Recommendation Models",
on why a split that does not follow time flatters.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tfdomain.data.targets import target_values
from tfdomain.data.values import as_text_array
from tfdomain.errors import InputError

__all__ = ["Interactions", "TimeSplit", "find_interactions", "split_in_time"]

SHOWN_ROWS = 5


@dataclass(frozen=True)
class Interactions:
    """Events in the order of time.

    Attributes:
        users: int32 `[n]`, places in `user_ids`.
        items: int32 `[n]`, places in `item_ids`.
        times: float64 `[n]`, seconds since 1970 (UTC), ascending.
        liked: bool `[n]`, whether the rating reached the bound.
        user_ids: The users, sorted.
        item_ids: The items, in the order of the items table.
        num_skipped: How many events were left out.
    """

    users: np.ndarray
    items: np.ndarray
    times: np.ndarray
    liked: np.ndarray
    user_ids: list[str]
    item_ids: list[str]
    num_skipped: int = 0

    def __len__(self) -> int:
        return len(self.users)

    def by_user(self, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        """Each user of some events, and the user's rows among them in the order of time."""
        rows = np.sort(rows)
        rows = rows[np.argsort(self.users[rows], kind="stable")]
        users, starts = np.unique(self.users[rows], return_index=True)
        return zip(users.tolist(), np.split(rows, starts[1:]), strict=False)


class TimeSplit(NamedTuple):
    """Events to train on, and what some users liked later.

    Attributes:
        train: int64, the rows of all events before the split, liked or not.
        test: int64, the rows of what the users to judge by liked from the split on.
        users: int32, these users, ascending.
        moment: When the split is, in seconds since 1970; None where each user has an own one.
    """

    train: np.ndarray
    test: np.ndarray
    users: np.ndarray
    moment: float | None


def find_interactions(
    users: Any,
    items: Any,
    times: Any,
    ratings: Any = None,
    *,
    item_ids: Sequence[str],
    liked_from: float = 4.0,
    where: Callable[[int], str] | None = None,
    on_bad: Literal["refuse", "skip"] = "refuse",
    skip_mend: str | None = None,
) -> Interactions:
    """Events from the columns of a ratings table.

    Args:
        users: Strings or integers `[n]`.
        items: Strings or integers `[n]`.
        times: Unix seconds or ISO 8601 dates `[n]`, as strings or numbers; a date without a zone is UTC.
        ratings: Numbers `[n]`, or None where every event is a like.
        item_ids: The ids of the items table, each once.
        liked_from: The lowest rating that is a like.
        where: Tells a row number's place for the message (`Rows.where`); None: `interactions[row]`.
        on_bad: `"refuse"` raises when a row has no user, an item that is not in the table, or no sound time
            or rating; `"skip"` leaves it out.
        skip_mend: How the caller's user asks for `"skip"`, for the message; None: that is no choice.

    Raises:
        InputError: Rows have faults (the first five are named, all are counted), or the columns do not fit.
    """
    if on_bad not in ("refuse", "skip"):
        raise InputError(f"is {on_bad!r}", where="on_bad", mend="choose refuse or skip")
    user_column = as_text_array(users, "users", numbers=True)
    item_column = as_text_array(items, "items", numbers=True)
    seconds = _seconds(times)
    rated = None if ratings is None else target_values([ratings], ["rating"], on_bad="skip")
    lengths = {len(user_column), len(item_column), len(seconds), len(seconds if rated is None else rated.values)}
    if len(lengths) > 1:
        raise InputError(f"the columns have {sorted(lengths)} rows", where="interactions", mend="give one value a row")
    table = pa.array(list(item_ids), pa.string())
    if len(pc.unique(table)) < len(table):
        raise InputError("holds an item twice", where="item_ids", mend="give every item one row")
    found = pc.fill_null(pc.index_in(item_column, value_set=table), -1).to_numpy()
    faults = [
        ("has no user", pc.equal(user_column, "").to_numpy()),
        ("has the item {item!r}, which is not in the items table", found < 0),
        ("has no time (Unix seconds or an ISO 8601 date)", ~np.isfinite(seconds)),
    ]
    if rated is not None:
        faults.append(("has no rating", ~rated.sound))
    bad = np.any([wrong for _, wrong in faults], axis=0)
    if bad.any() and on_bad == "refuse":
        raise _refusal(faults, np.flatnonzero(bad), item_column, where, skip_mend)
    liked = np.ones(len(seconds), bool) if rated is None else rated.values[:, 0] >= liked_from
    user_ids = sorted(pc.unique(user_column.filter(pa.array(~bad))).to_pylist())
    user_places = pc.fill_null(pc.index_in(user_column, value_set=pa.array(user_ids, pa.string())), -1).to_numpy()
    order = np.lexsort((found, user_places, seconds))
    order = order[~bad[order]]
    return Interactions(
        users=user_places[order].astype(np.int32),
        items=found[order].astype(np.int32),
        times=seconds[order],
        liked=liked[order],
        user_ids=user_ids,
        item_ids=list(item_ids),
        num_skipped=int(bad.sum()),
    )


def split_in_time(
    interactions: Interactions,
    *,
    share: float = 0.2,
    by: Literal["date", "user"] = "date",
    min_before: int = 5,
    min_after: int = 1,
) -> TimeSplit:
    """Splits events in time.

    By `date`, one moment splits all events, so that about `share` of the likes are at or after it: training
    knows nothing of the time it is tested on, as in use. Where few users are active on both sides, few can be
    judged by. By `user`, each user's own last `share` of likes is held out: nearly all users can be judged by,
    but training knows what others liked in the meantime, which flatters popularity and model alike.

    Events of one moment are never split. A user needs `min_before` likes before the split and `min_after` from
    it on; the later events of other users are in neither part by date, and in training by user.

    Args:
        interactions: The events.
        share: The part of the likes to hold out, above 0 and below 1.
        by: `date` or `user`.
        min_before: At least 1.
        min_after: At least 1.

    Raises:
        InputError: A setting is out of range, or no user can be judged by.
    """
    if by not in ("date", "user"):
        raise InputError(f"is {by!r}", where="by", mend="choose date or user")
    if not 0 < share < 1:
        raise InputError(f"the share {share} is out of range", where="share", mend="choose one between 0 and 1")
    if min_before < 1 or min_after < 1:
        raise InputError(f"are {min_before} and {min_after}", where="min_before, min_after", mend="choose at least 1")
    num_users, users = len(interactions.user_ids), interactions.users
    cuts, moment = np.full(num_users, np.inf), None
    if by == "date":
        moment = _cut(interactions.times[interactions.liked], share)
        cuts[:] = moment
    else:
        for user, rows in interactions.by_user(np.flatnonzero(interactions.liked)):
            cuts[user] = _cut(interactions.times[rows], share)
    after = interactions.times >= cuts[users]
    num_before = np.bincount(users[interactions.liked & ~after], minlength=num_users)
    num_after = np.bincount(users[interactions.liked & after], minlength=num_users)
    judged = (num_before >= min_before) & (num_after >= min_after)
    if not judged.any():
        problem = f"no user has {min_before} likes before the split and {min_after} after it"
        raise InputError(problem, where="split_in_time", mend="change the share, split by user, or lower min_before")
    train = ~after if by == "date" else ~(after & judged[users])
    test = after & interactions.liked & judged[users]
    users = np.flatnonzero(judged).astype(np.int32)
    return TimeSplit(np.flatnonzero(train), np.flatnonzero(test), users, moment)


def _cut(times: np.ndarray, share: float) -> float:
    """The moment from which about a share of the times (ascending) is."""
    place = round(len(times) * (1 - share))
    return float(times[place]) if place < len(times) else np.inf


def _seconds(times: Any) -> np.ndarray:
    """float64 `[n]`, NaN for what is no time."""
    column = times if isinstance(times, pa.Array | pa.ChunkedArray) else pa.array(times, from_pandas=True)
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type):
        zone = getattr(column.type, "tz", None)
        column = pc.divide(column.cast(pa.timestamp("us", zone)).cast(pa.int64()).cast(pa.float64()), 1e6)
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
        return pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy(zero_copy_only=False)
    return np.array([_moment(text) for text in column.cast(pa.string()).to_pylist()], np.float64)


def _moment(text: str | None) -> float:
    if text is None or "_" in text:
        return np.nan
    try:
        return float(text)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return np.nan
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _refusal(
    faults: list[tuple[str, np.ndarray]],
    rows: np.ndarray,
    items: pa.ChunkedArray,
    where: Callable[[int], str] | None,
    skip_mend: str | None,
) -> InputError:
    told = []
    for row in rows[:SHOWN_ROWS].tolist():
        problem = next(problem for problem, wrong in faults if wrong[row])
        told.append((where(row) if where else f"interactions[{row}]", problem.format(item=items[row].as_py())))
    skip = "" if skip_mend is None else f", or {skip_mend} to leave such rows out"
    if len(rows) == 1:
        return InputError(told[0][1], where=told[0][0], mend=f"mend the row{skip}")
    places = [f"{place}: {problem}" for place, problem in told]
    if len(rows) > len(told):
        places.append(f"and {len(rows) - len(told):,} more")
    return InputError(f"{len(rows):,} rows have faults: {', '.join(places)}", mend=f"mend them{skip}")
