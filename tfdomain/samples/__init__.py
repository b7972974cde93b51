"""The bundled sample, invented loan applications in two CSV files; `DATA_CARD.md` beside them describes it."""

from importlib.resources import files
from pathlib import Path

from tfdomain.errors import InputError

__all__ = ["sample_path"]


def sample_path(name: str) -> Path:
    """Says where a bundled sample lies, so that code finds it in an installed package too.

    Args:
        name: A file's name without its folder, such as `loan_applications_train.csv`.

    Returns:
        The file's full path; the file is there.

    Raises:
        InputError: There is no such sample; the message lists those there are.

    Example:
        >>> sample_path("loan_applications_test.csv").name
        'loan_applications_test.csv'
    """
    folder = Path(str(files(__name__)))
    names = sorted(path.name for path in folder.glob("*.csv"))
    if name not in names:
        raise InputError(f"there is no sample {name!r}", where="name", mend=f"choose from {', '.join(names)}")
    return folder / name
