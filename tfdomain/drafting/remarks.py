"""What a person should look at before training on a file."""

from tfdomain.data.labels import alike
from tfdomain.drafting.printable import LABEL_CHARACTERS, printable
from tfdomain.drafting.profile import Profile

__all__ = ["remarks_on"]

FEW_ROWS, MANY_DUPLICATES, MANY_LOST = 10, 0.01, 0.1
SHOWN = 5


def remarks_on(profile: Profile, num_others: int = 0) -> list[str]:
    """A line for each thing that may cost quality, with the mend.

    Args:
        profile: What stands in the files.
        num_others: How many further columns could be read beside the text.
    """
    total = profile.num_rows + profile.num_faults
    lost = profile.num_faults + profile.num_empty
    remarks = []
    if lost > MANY_LOST * total:
        remarks.append(f"{lost / total:.0%} of the rows are left out: see whether text and label are the right columns")
    if profile.num_conflicts:
        remarks.append(
            f"{profile.num_conflicts:,} texts stand twice with different labels: `tfdomain prepare` lists them"
        )
    if profile.num_duplicates > MANY_DUPLICATES * profile.num_rows and "validation" not in profile.held_out:
        remarks.append(
            f"{profile.num_duplicates:,} rows repeat a text, and the validation share will hold texts that were "
            "trained on: `tfdomain prepare` leaves them out"
        )
    rare = [label for label, count in profile.labels.items() if count < FEW_ROWS]
    if rare:
        remarks.append(f"fewer than {FEW_ROWS} rows have {_listed(rare)}: merge such labels, or give more rows")
    pairs = [f"{one!r} and {other!r}" for one, other in alike(sorted(profile.labels))]
    if pairs:
        remarks.append(f"labels that differ by case or blanks alone count as two: {_listed(pairs)}")
    if profile.unseen:
        remarks.append(f"labels that training does not have: {_listed(list(profile.unseen))}")
    if num_others:
        what = "1 more column is" if num_others == 1 else f"{num_others} more columns are"
        remarks.append(
            f"{what} not read: what is known by the time a text is judged may go into data.features (docs/features.md)"
        )
    if "test" not in profile.held_out:
        remarks.append("there is no test file: name one in data.test, or let `tfdomain prepare` split the rows")
    return remarks


def _listed(names: list[str]) -> str:
    rest = len(names) - SHOWN
    return ", ".join(printable(name, LABEL_CHARACTERS) for name in names[:SHOWN]) + (
        f" and {rest:,} more" if rest > 0 else ""
    )
