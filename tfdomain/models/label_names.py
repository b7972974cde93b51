"""The names of classes, labels and entities, as a model keeps them."""

from collections.abc import Iterable, Sequence

from tfdomain.errors import InputError

__all__ = ["check_weighed", "checked_names"]


def checked_names(labels: Sequence[str], *, least: int) -> list[str]:
    """The names as strings.

    Args:
        labels: What a model is told; numbers become their text.
        least: How many there have to be.

    Raises:
        InputError: There are too few, one comes twice, or one is empty or holds a line break.
    """
    names = [str(label) for label in labels]
    if len(names) < least or len(set(names)) < len(names):
        raise InputError(f"labels are {names}", mend=f"give at least {['none', 'one', 'two'][least]}, each once")
    broken = [name for name in names if not name or "\n" in name]
    if broken:
        problem = f"the label {broken[0]!r} is empty or holds a line break"
        raise InputError(problem, where="labels", mend="rename it: labels.txt has a line for each label")
    return names


def check_weighed(chosen: Iterable[str], labels: Sequence[str]) -> None:
    """Refuses `class_weights` of what is no label.

    Raises:
        InputError: One of the names is none of `labels`.
    """
    unknown = sorted(set(chosen) - set(labels))
    if unknown:
        raise InputError(f"{unknown[0]!r} is no label", where="training.class_weights", mend=f"labels: {labels}")
