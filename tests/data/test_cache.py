import errno
import os
import time

import pytest

from tfdomain.data.cache import cache_dir, explained_cache, sweep
from tfdomain.data.rows import read_rows
from tfdomain.errors import InputError, TfdomainError


def test_the_variable_names_the_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDOMAIN_CACHE_DIR", str(tmp_path))
    assert cache_dir() == tmp_path
    monkeypatch.delenv("TFDOMAIN_CACHE_DIR")
    assert cache_dir().name == "tfdomain"


def test_only_old_temporary_files_are_swept(tmp_path):
    old, fresh, entry = tmp_path / ".old", tmp_path / ".fresh", tmp_path / "entry.arrow"
    for path in (old, fresh, entry):
        path.write_text("x")
    past = time.time() - 3 * 24 * 3600
    os.utime(old, (past, past))
    os.utime(entry, (past, past))
    assert sweep(tmp_path) == [old]
    assert sorted(tmp_path.iterdir()) == [fresh, entry]
    assert sweep(tmp_path / "missing") == []


def test_a_folder_that_cannot_be_used_names_the_variable(tmp_path, monkeypatch):
    source = tmp_path / "a.csv"
    source.write_text("text\nx\n")
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("TFDOMAIN_CACHE_DIR", str(tmp_path / "file" / "cache"))
    with pytest.raises(TfdomainError, match=r"the cache cannot be used .* set TFDOMAIN_CACHE_DIR to") as caught:
        read_rows([source], texts=["text"])
    assert caught.value.exit_code == 1
    assert "\n" not in str(caught.value)


def test_what_failed_in_a_cache_decides_the_mend(tmp_path, monkeypatch):
    monkeypatch.setenv("TFDOMAIN_CACHE_DIR", str(tmp_path))
    full = pytest.raises(TfdomainError, match=r"no space left on device.*free some space, or set TFDOMAIN_CACHE_DIR")
    with full, explained_cache(tmp_path):
        raise OSError(errno.ENOSPC, "full")
    with pytest.raises(TfdomainError, match="TMPDIR"), explained_cache(tmp_path / "other"):
        raise PermissionError(errno.EACCES, "denied")
    with pytest.raises(InputError, match=r"^a mistake$"), explained_cache(tmp_path):
        raise InputError("a mistake")
