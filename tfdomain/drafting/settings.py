"""From what stands in a file to the keys of an experiment, each with the reason for its value."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from tfdomain.config import experiment_from
from tfdomain.drafting.encoders import SMALL_ENCODER
from tfdomain.drafting.printable import LABEL_CHARACTERS, printable
from tfdomain.drafting.profile import Profile
from tfdomain.errors import InputError

__all__ = ["Setting", "choose_settings", "one_or_many", "rarer_label", "values_of"]

LENGTH_STEP, LEAST_LENGTH, LONGEST_WINDOW = 16, 16, 256
SPECIAL_TOKENS = 2
LEAST_ROWS_TO_SPLIT = 10
VALIDATION_ROWS = 5_000
# The most frequent class against the rarest.
UNEVEN = 10
BEST = {
    "classification": ("macro_f1", "every class counts alike in it"),
    "multilabel": ("mean_average_precision", "it needs no threshold, which is chosen only at the end"),
    "regression": ("rmse", "the root of the mean squared error, in the target's own unit"),
    "tagging": ("entity_f1", "an entity is right if its label and both borders are"),
}


class Setting(NamedTuple):
    """A key of an experiment file.

    Attributes:
        key: With the sections before it: `training.epochs`.
        value: As YAML holds it.
        why: A reason, where there is one to tell.
    """

    key: str
    value: Any
    why: str = ""


def choose_settings(
    profile: Profile,
    *,
    name: str,
    files: Mapping[str, Sequence[str]],
    columns: Mapping[str, Any],
    encoder: tuple[str, str],
    num_positions: int = 512,
    positive: str | None = None,
) -> list[Setting]:
    """The settings to begin with. They hang on the arguments alone, and make a valid experiment.

    Args:
        profile: What stands in the files to train on.
        name: The experiment's name.
        files: `train`, and perhaps `validation` and `test`, as the experiment file names them.
        columns: The keys of `data` that name columns: `text`, `label` and their like.
        encoder: The checkpoint, and why it was chosen.
        num_positions: The longest input of the encoder.
        positive: Of two labels, the one that is looked for; None: the rarer.

    Returns:
        The keys in the order of an experiment file.

    Raises:
        InputError: There is nothing to learn in the files, or `positive` is none of two labels.
    """
    _check(profile, columns, positive)
    is_validated = "validation" in files or profile.num_usable >= LEAST_ROWS_TO_SPLIT
    settings = [
        Setting("name", name),
        Setting("task", profile.task, _why_task(profile, columns)),
        Setting("encoder", *encoder),
        _max_length(profile, num_positions, is_pair=isinstance(columns.get("text"), list)),
        *_data(profile, files, columns),
        *_model(profile, encoder[0], positive, is_validated),
        *_training(profile, encoder[0], is_validated),
    ]
    experiment_from(values_of(settings), where="the draft")
    return settings


def values_of(settings: Sequence[Setting]) -> dict[str, Any]:
    """The settings as the nested values of an experiment file."""
    values: dict[str, Any] = {}
    for setting in settings:
        *sections, key = setting.key.split(".")
        place = values
        for section in sections:
            place = place.setdefault(section, {})
        place[key] = setting.value
    return values


def rarer_label(profile: Profile) -> str | None:
    """The label that is looked for where there are two: the one with fewer rows, of equals the second."""
    if profile.task != "classification" or len(profile.labels) != 2:
        return None
    (first, count), (second, other) = sorted(profile.labels.items())
    return first if count < other else second


def one_or_many(names: Sequence[str]) -> str | list[str]:
    """One name as it is, several as a list: the two forms that the keys of an experiment take."""
    return names[0] if len(names) == 1 else list(names)


def _check(profile: Profile, columns: Mapping[str, Any], positive: str | None) -> None:
    where, mend = f"--label {columns.get('label')}", "name the column of labels, or give more rows"
    if not profile.num_usable:
        raise InputError("every text is empty", where=f"--text {columns['text']}", mend="name the column of texts")
    if profile.task == "classification" and len(profile.labels) < 2:
        raise InputError(f"every row has the label {next(iter(profile.labels))!r}", where=where, mend=mend)
    if profile.task == "multilabel" and not any(profile.labels.values()):
        raise InputError("no row has a label", where=where, mend=mend)
    for name, (least, _, largest) in profile.numbers.items():
        if least == largest:
            raise InputError(f"every row has the value {least:g}", where=f"--label {name}", mend=mend)
    if positive is not None and (rarer_label(profile) is None or positive not in profile.labels):
        names = " or ".join(map(repr, profile.labels))
        mend = f"name {names}" if rarer_label(profile) is not None else "leave it out: there are not just two"
        raise InputError(f"{positive!r} is none of two labels", where="--positive", mend=mend)


def _why_task(profile: Profile, columns: Mapping[str, Any]) -> str:
    if profile.task == "tagging":
        tags = f"tags in the scheme {profile.scheme}" if profile.scheme else "marked spans"
        kinds = (
            f"{len(profile.labels)} labels" if len(profile.labels) > 1 else f"the label {next(iter(profile.labels))}"
        )
        return f"{tags}, {sum(profile.labels.values()):,} entities of {kinds}"
    if profile.task == "regression":
        ranges = [f"{name!r} from {low:g} to {high:g}" for name, (low, _, high) in profile.numbers.items()]
        return ", ".join(ranges[:3])
    if profile.task == "multilabel":
        several = (
            f"{len(profile.labels)} labels, {sum(profile.labels.values()) / profile.num_rows:.2g} a row in the mean"
        )
        return f"{several}; {profile.num_unlabelled:,} rows have none" if profile.num_unlabelled else several
    counts = list(profile.labels.items())
    shown = ", ".join(f"{printable(label, LABEL_CHARACTERS)} ({count:,})" for label, count in counts[:3])
    return f"{columns['label']!r} has {len(counts)} values: {shown}" + (", ..." if len(counts) > 3 else "")


def _max_length(profile: Profile, num_positions: int, *, is_pair: bool) -> Setting:
    special = SPECIAL_TOKENS + is_pair
    wanted = profile.tokens.p99 + special
    rounded = max(-(-wanted // LENGTH_STEP) * LENGTH_STEP, LEAST_LENGTH)
    what = "pairs" if is_pair else "texts"
    fits = f"99 of 100 {what} have {wanted} tokens or fewer (an estimate)"
    if profile.task == "tagging":
        length = min(rounded, num_positions, LONGEST_WINDOW)
        return Setting("max_length", length, f"{fits}; longer ones are read in windows of this length")
    if rounded <= num_positions:
        return Setting("max_length", rounded, f"{fits}, longer ones are cut")
    share = "5" if profile.tokens.p95 + special > num_positions else "1"
    why = f"all that the encoder has; about {share} of 100 {what} or more are longer, and are cut"
    windows = "" if is_pair else ": model.windows reads them whole (docs/long_documents.md)"
    return Setting("max_length", num_positions, why + windows)


def _data(profile: Profile, files: Mapping[str, Sequence[str]], columns: Mapping[str, Any]) -> list[Setting]:
    settings = [Setting("data.train", one_or_many(files["train"]), f"{profile.num_rows:,} rows")]
    if "validation" in files:
        why = f"{profile.held_out['validation']:,} rows, by the file's name"
        settings.append(Setting("data.validation", one_or_many(files["validation"]), why))
    elif profile.num_usable >= LEAST_ROWS_TO_SPLIT:
        share = _validation_share(profile.num_usable)
        how = ", of each label alike" if profile.task == "classification" else ""
        settings.append(
            Setting("data.validation", share, f"about {round(share * profile.num_usable):,} rows to choose by{how}")
        )
    if "test" in files:
        why = f"{profile.held_out['test']:,} rows, by the file's name; measured once, at the end"
        settings.append(Setting("data.test", one_or_many(files["test"]), why))
    unnamed = "the file has no header; these names stand for its columns in their order"
    settings += [
        Setting(f"data.{key}", value, unnamed if key == "column_names" else "") for key, value in columns.items()
    ]
    if profile.num_repaired:
        why = f"{profile.num_repaired:,} tags break their scheme, and are read as conlleval does"
        settings.append(Setting("data.on_illegal_tags", "repair", why))
    if profile.num_overlaps:
        why = f"{profile.num_overlaps:,} entities overlap a longer one, which is kept"
        settings.append(Setting("data.on_overlap", "longest", why))
    left_out = _left_out(profile)
    return settings + ([Setting("data.on_bad_row", "skip", left_out)] if left_out else [])


def _left_out(profile: Profile) -> str:
    reasons = []
    if profile.num_empty:
        reasons.append(f"{_rows(profile.num_empty)} without a text")
    if profile.num_faults:
        reasons.append(f"{_rows(profile.num_faults)} with faults")
    if profile.unseen:
        reasons.append("rows to test with labels that training has not")
    return f"left out, and counted: {', '.join(reasons)}" if reasons else ""


def _model(profile: Profile, encoder: str, positive: str | None, is_validated: bool) -> list[Setting]:
    if profile.task == "tagging":
        return [Setting("model.decoder", "crf", "the likeliest legal tagging of a whole text; softmax is faster")]
    settings = []
    if encoder == SMALL_ENCODER:
        settings.append(Setting("model.pooling", "mean", "as this encoder was trained"))
    rarer = rarer_label(profile)
    if is_validated and rarer is not None:
        why = "the label that is looked for" + ("" if positive else ": the rarer one, unless you mean the other")
        settings.append(Setting("model.positive", positive or rarer, why))
    if is_validated and (rarer is not None or profile.task == "multilabel"):
        why = "chosen on the validation rows; where errors cost unlike amounts, fill in your own: "
        costs = "{costs: {false_positive: 1, false_negative: 5}}"
        settings.append(Setting("model.threshold", {"metric": "f1"}, why + costs))
    return settings


def _training(profile: Profile, encoder: str, is_validated: bool) -> list[Setting]:
    rows = profile.num_usable
    batch_size = 16 if rows < 2_000 else 32
    epochs = 10 if rows < 1_000 else 5 if rows < 20_000 else 3 if rows < 100_000 else 2
    settings = [
        Setting("training.epochs", epochs, f"about {max(epochs * rows // batch_size, 1):,} updates"),
        Setting("training.batch_size", batch_size),
        _learning_rate(profile, encoder),
    ]
    counts = list(profile.labels.values())
    if profile.task == "classification" and counts[0] >= UNEVEN * counts[-1]:
        first, *_, rarest = (printable(label, LABEL_CHARACTERS) for label in profile.labels)
        why = f"{first} has {counts[0]:,} rows, {rarest} {counts[-1]:,}: errors on rare labels weigh more"
        settings.append(Setting("training.class_weights", "balanced", why))
    if is_validated:
        best = ("roc_auc", "it needs no threshold") if rarer_label(profile) is not None else BEST[profile.task]
        settings.append(Setting("training.best", best[0], f"the epoch that is kept is best by it: {best[1]}"))
    return [*settings, Setting("training.seed", 0)]


def _learning_rate(profile: Profile, encoder: str) -> Setting:
    if encoder == SMALL_ENCODER:
        rate = 3e-4 if profile.task == "tagging" else 1e-4
        return Setting("training.learning_rate", rate, "small encoders want larger steps than BERT's 2e-5 to 5e-5")
    return Setting("training.learning_rate", 3e-5, "of BERT's usual 2e-5 to 5e-5")


def _validation_share(num_rows: int) -> float:
    if num_rows * 0.1 > VALIDATION_ROWS:
        return float(f"{VALIDATION_ROWS / num_rows:.1g}")
    return 0.2 if num_rows < 500 else 0.15 if num_rows < 2_000 else 0.1


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"
