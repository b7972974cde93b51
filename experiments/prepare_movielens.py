"""MovieLens as texts: users are the texts that they liked, items are title, genres and tags, split in time.

Each user's last 20 % of likes are held out (`--by user`: 597 users to judge by, but training knows what others
liked meanwhile), or all likes from one day on (`--by date`: nothing of that time is known, and 26 users were active
before and after it). No like after the split, and no tag, reaches training, the texts of items, or the users'
histories. The last tenth of the training pairs is for validation. It writes, into the folder:

    train.jsonl, validation.jsonl   `anchor` (a history) and `positive` (the item liked next)
    items.jsonl                     `id` and `text` of every item
    users.jsonl                     of each user to judge by: `id`, `text` (the history), `seen` and `liked` items
    popularity.json                 the items' ids, the most often liked before the split first

TFDOMAIN_DATA_DIR=... python experiments/prepare_movielens.py --to runs/movielens_texts
"""

import argparse
import json
import os
from collections import Counter
from pathlib import Path

import numpy as np

from tfdomain.data.histories import items_by_user, popularity, positive_pairs, user_texts
from tfdomain.data.interactions import find_interactions, split_in_time
from tfdomain.data.rows import read_rows

NUM_TAGS = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--to", type=Path, default=Path("runs/movielens_texts"))
    parser.add_argument("--by", choices=["date", "user"], default="user")
    parser.add_argument("--history", type=int, default=10, help="the latest likes that make a user's text")
    parser.add_argument("--most-a-user", type=int, default=20, help="the latest training pairs of a user")
    arguments = parser.parse_args()
    data = Path(os.environ["TFDOMAIN_DATA_DIR"]) / "movielens_small"

    movies = table(data / "movies.csv.gz", "movieId", "title", "genres")
    ratings = table(data / "ratings.csv.gz", "userId", "movieId", "timestamp", "rating")
    events = find_interactions(*ratings.values(), item_ids=movies["movieId"])
    split = split_in_time(events, by=arguments.by)
    # Of a split by user the earliest held-out like is the moment: a tag of any later day may follow from one.
    moment = split.moment if split.moment is not None else float(events.times[split.test].min())
    texts = item_texts(movies, table(data / "tags.csv", "movieId", "tag", "timestamp"), moment)

    pairs = positive_pairs(events, split.train, texts, num_items=arguments.history, most_a_user=arguments.most_a_user)
    order = np.argsort(pairs.times, kind="stable")
    parts = {"train": order[: -len(order) // 10], "validation": order[-len(order) // 10 :]}
    arguments.to.mkdir(parents=True, exist_ok=True)
    for name, rows in parts.items():
        chosen = ({"anchor": pairs.anchors[row], "positive": pairs.positives[row]} for row in rows)
        write(arguments.to / f"{name}.jsonl", chosen)
    items = ({"id": each, "text": text} for each, text in zip(events.item_ids, texts, strict=True))
    write(arguments.to / "items.jsonl", items)
    write(arguments.to / "users.jsonl", users(events, split, texts, arguments.history))
    ranked = [events.item_ids[item] for item in popularity(events, split.train)]
    (arguments.to / "popularity.json").write_text(json.dumps(ranked))
    counts = ", ".join(f"{len(rows):,} {name} pairs" for name, rows in parts.items())
    print(f"{counts}, {len(texts):,} items, {len(split.users):,} users to judge by in {arguments.to}")


def table(path: Path, *columns: str) -> dict[str, list[str]]:
    rows = read_rows([path], texts=[], extra=columns, require_text=False)
    return {name: rows.table.column(name).to_pylist() for name in columns}


def item_texts(movies: dict[str, list[str]], tags: dict[str, list[str]], moment: float) -> list[str]:
    """Title, genres, and the tags that were most often given before the moment."""
    given: dict[str, Counter] = {}
    for movie, tag, time in zip(*tags.values(), strict=True):
        if float(time) < moment:
            given.setdefault(movie, Counter())[tag.lower()] += 1
    texts = []
    for movie, title, genres in zip(*movies.values(), strict=True):
        kinds = [] if genres == "(no genres listed)" else genres.split("|")
        common = sorted(given.get(movie, Counter()).items(), key=lambda item: (-item[1], item[0]))[:NUM_TAGS]
        texts.append(", ".join([title, *kinds, *(tag for tag, _ in common)]))
    return texts


def users(events, split, texts, num_items):
    histories = user_texts(events, split.train, texts, split.users, num_items=num_items)
    seen = items_by_user(events, split.train, split.users)
    liked = items_by_user(events, split.test, split.users)
    for user, text, before, after in zip(split.users, histories, seen, liked, strict=True):
        ids = {"seen": before, "liked": np.setdiff1d(after, before)}
        named = {name: [events.item_ids[item] for item in items] for name, items in ids.items()}
        yield {"id": events.user_ids[user], "text": text, **named}


def write(path: Path, rows) -> None:
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


if __name__ == "__main__":
    main()
