import os
import time

from tfdomain.data.cache import cache_dir, sweep


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
