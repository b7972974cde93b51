import pytest

from tfdomain.data.paths import find_files
from tfdomain.errors import InputError


@pytest.fixture
def folders(tmp_path, monkeypatch):
    own, shared = tmp_path / "experiments", tmp_path / "data"
    for path in (own / "train.csv", shared / "train.csv", shared / "bank" / "b.csv", shared / "bank" / "a.csv"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("text\n")
    (shared / "bank" / "notes [1].csv").write_text("text\n")
    monkeypatch.setenv("TFDOMAIN_DATA_DIR", str(shared))
    return own, shared


def test_the_experiments_folder_comes_before_the_data_folder(folders):
    own, shared = folders
    assert find_files("train.csv", relative_to=own) == [own / "train.csv"]
    assert find_files("train.csv", relative_to=None) == [shared / "train.csv"]
    assert find_files("bank/a.csv", relative_to=own) == [shared / "bank" / "a.csv"]
    assert find_files(own / "train.csv", relative_to=None) == [own / "train.csv"]


def test_globs_are_sorted_and_lists_keep_their_order(folders):
    own, shared = folders
    bank = shared / "bank"
    assert find_files("bank/[ab].csv", relative_to=own) == [bank / "a.csv", bank / "b.csv"]
    assert find_files(["bank/b.csv", "**/a.csv", "bank/b.csv"]) == [bank / "b.csv", bank / "a.csv"]
    assert find_files("bank/notes [1].csv") == [bank / "notes [1].csv"]


def test_without_the_variable_the_cache_holds_the_data(folders, tmp_path, monkeypatch):
    monkeypatch.delenv("TFDOMAIN_DATA_DIR")
    monkeypatch.setenv("TFDOMAIN_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "cache" / "data" / "x.csv"
    path.parent.mkdir(parents=True)
    path.write_text("text\n")
    assert find_files("x.csv") == [path]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("trian.csv", "did you mean train.csv?"),
        ("bank/*.tsv", "no file matches"),
        ("bank", "is a folder, not a file; name its files: bank/*.csv"),
        ("banking77/train.csv.gz", "`tfdomain data fetch banking77` brings that data set"),
        ("/nowhere/at-all.csv", "no such file in /nowhere; check the path"),
        ([], "no file is named"),
    ],
)
def test_what_is_missing_is_named_with_where_and_what_instead(folders, value, words):
    own, shared = folders
    with pytest.raises(InputError) as caught:
        find_files(value, relative_to=own)
    message = str(caught.value)
    assert words in message
    if value == "trian.csv":
        assert f"no such file in {own} or {shared}" in message


def test_a_root_whose_name_looks_like_a_glob(tmp_path, monkeypatch):
    root = tmp_path / "run [1]*"
    (root / "shards").mkdir(parents=True)
    (root / "shards" / "a.csv").write_text("text\n")
    monkeypatch.setenv("TFDOMAIN_DATA_DIR", str(tmp_path / "none"))
    assert find_files("shards/*.csv", relative_to=root) == [root / "shards" / "a.csv"]
    assert find_files("**/*.csv", relative_to=root) == [root / "shards" / "a.csv"]
    monkeypatch.setenv("TFDOMAIN_DATA_DIR", str(root))
    assert find_files("shards/?.csv") == [root / "shards" / "a.csv"]
