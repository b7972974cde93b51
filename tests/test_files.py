import errno
import hashlib
import math
import os
import stat

import pytest

from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import hash_file, read_json, whole_file, whole_folder, write_json


def full_disk(*_):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def write_file(path, text="new"):
    with whole_file(path) as file:
        file.write(text)


def write_folder(path, text="new"):
    with whole_folder(path) as folder:
        (folder / "sub").mkdir()
        (folder / "sub/a.txt").write_text(text)


def test_a_file_keeps_its_bytes(tmp_path):
    write_file(tmp_path / "deep/er/a.txt", "ä\r\nb\n")
    assert (tmp_path / "deep/er/a.txt").read_bytes() == b"\xc3\xa4\r\nb\n"
    with whole_file(tmp_path / "b.bin", "wb") as file:
        file.write(b"\x00\xff")
    assert (tmp_path / "b.bin").read_bytes() == b"\x00\xff"


def test_permissions_are_those_of_any_new_file(tmp_path):
    mask = os.umask(0o027)
    try:
        write_file(tmp_path / "a")
        write_folder(tmp_path / "b")
    finally:
        os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750


def test_nobody_sees_a_file_before_it_is_whole(tmp_path):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with whole_file(target) as file:
        file.write("new")
        file.flush()
        assert target.read_text() == "old"
    assert target.read_text() == "new"


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_nothing(tmp_path, error):
    (tmp_path / "a.txt").write_text("old")
    with pytest.raises(error), whole_file(tmp_path / "a.txt") as file:
        file.write("half")
        raise error
    with pytest.raises(error), whole_folder(tmp_path / "b") as folder:
        (folder / "half").write_text("half")
        raise error
    assert os.listdir(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_a_folder_replaces_the_older_one_as_a_whole(tmp_path):
    write_folder(tmp_path / "a", "old")
    (tmp_path / "a/left").write_text("over")
    write_folder(tmp_path / "a")
    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*")) == ["a", "a/sub", "a/sub/a.txt"]
    assert (tmp_path / "a/sub/a.txt").read_text() == "new"


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_full_disk_is_one_line_and_leaves_the_old(tmp_path, monkeypatch, write):
    write(tmp_path / "a", "old")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(TfdomainError, match=r"a: cannot be written \(no space left on device\); free some space"):
        write(tmp_path / "a")
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_a_rename_that_fails_brings_the_old_folder_back(tmp_path, monkeypatch):
    write_folder(tmp_path / "a", "old")
    rename = os.rename

    def once(source, target):
        if os.path.basename(source).startswith(".a.") and str(target) == str(tmp_path / "a"):
            full_disk()
        rename(source, target)

    monkeypatch.setattr(os, "rename", once)
    with pytest.raises(TfdomainError, match="free some space"):
        write_folder(tmp_path / "a")
    assert (tmp_path / "a/sub/a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a"]


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_parent_that_is_a_file_is_one_line(tmp_path, write):
    (tmp_path / "file").write_text("")
    with pytest.raises(TfdomainError, match="choose a path whose parents are folders"):
        write(tmp_path / "file/a")


def test_json_round_trip(tmp_path):
    value = {"ä": [1, 2.5, None], "b": {"c": "\n"}}
    write_json(tmp_path / "a.json", value)
    assert read_json(tmp_path / "a.json") == value
    assert "ä" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_json_that_others_could_not_read_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"loss": math.nan})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("content", "message"), [(b'{"a": ', "is not JSON"), (b"\xff", "is not JSON"), (None, "no such")]
)
def test_json_that_cannot_be_read_is_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=rf"a\.json: {message}"):
        read_json(tmp_path / "a.json")


def test_hash(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    assert hash_file(tmp_path / "a") == hashlib.sha256(b"abc" * 100_000).hexdigest()
