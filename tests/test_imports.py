"""Imports point down only, and cost little."""

import ast
import configparser
import importlib
import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

import tfdomain

PACKAGE = Path(tfdomain.__file__).parent
GROUND = {"errors", "files", "fonts", "version"}
# What a room may import; everyone stands on the ground, and on what the rooms below stand on.
MAY_IMPORT = {
    "errors": set(),
    "version": set(),
    "files": set(),
    "fonts": set(),
    "startup": set(),
    "config": set(),
    "samples": set(),
    "data": {"config"},
    "preparation": {"data"},
    "encoders": {"config"},
    "pipeline": {"data", "encoders"},
    "metrics": {"config"},
    "optimization": {"config"},
    "models": {"encoders", "pipeline", "metrics", "optimization"},
    "evaluation": {"models", "metrics"},
    "training": {"models", "pipeline", "evaluation"},
    "pretraining": {"training", "preparation"},
    "search": {"training"},
    "profiling": {"training"},
    "serving": {"models", "evaluation"},
    "drafting": {"preparation", "encoders"},
    "questions": {"drafting"},
    "cli": {
        "preparation",
        "training",
        "pretraining",
        "search",
        "profiling",
        "serving",
        "questions",
        "samples",
        "startup",
    },
}
LAZY = ("tensorflow", "keras", "pandas", "pyarrow", "transformers", "sklearn", "matplotlib")


def reachable(room: str) -> set[str]:
    below = set(MAY_IMPORT[room])
    for lower in MAY_IMPORT[room]:
        below |= reachable(lower)
    return below


def arrows():
    for path in sorted(PACKAGE.rglob("*.py")):
        room = path.relative_to(PACKAGE).with_suffix("").parts[0]
        if room in ("__init__", "__main__"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                parts = (name or "").split(".")
                if parts[0] == "tfdomain" and len(parts) > 1:
                    yield path.relative_to(PACKAGE), room, parts[1]


def test_imports_point_down():
    wrong = [
        f"{path} imports {target}"
        for path, room, target in arrows()
        if target != room and target not in GROUND | reachable(room)
    ]
    assert not wrong


def test_every_room_has_its_place():
    rooms = {path.relative_to(PACKAGE).with_suffix("").parts[0] for path in PACKAGE.rglob("*.py")}
    assert rooms - {"__init__", "__main__"} == set(MAY_IMPORT)


@pytest.mark.parametrize("room", ["data", "drafting"])
def test_some_rooms_know_no_tensorflow(room):
    script = f"import sys, {', '.join(_modules(room))}; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_every_import_is_declared():
    """What a module imports comes with `pip install tfdomain`; what a function imports may come with an extra."""
    settings = configparser.ConfigParser()
    settings.read(Path(__file__).resolve().parent.parent / "setup.cfg", encoding="utf-8")
    extras = dict(settings["options.extras_require"])
    del extras["test"]
    always, sometimes = (
        {re.split(r"[<>=!~\[]", line)[0].lower().replace("_", "-") for line in " ".join(lines).split()}
        for lines in ([settings["options"]["install_requires"]], extras.values())
    )
    homes = importlib.metadata.packages_distributions()
    undeclared = set()
    for path in PACKAGE.rglob("*.py"):
        module = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(module):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - {"tfdomain", ""}:
                declared = always if node in module.body else always | sometimes
                if not declared & {home.lower().replace("_", "-") for home in homes.get(name, [name])}:
                    undeclared.add(name)
    assert not undeclared
    assert not (always | sometimes) & {"torch", "torchvision", "torchaudio", "tf-keras"}


def test_public_names_load():
    for name in tfdomain.__all__:
        assert getattr(tfdomain, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        tfdomain.Nothing  # noqa: B018


@pytest.mark.parametrize("arguments", [["-c", "import tfdomain"], ["-m", "tfdomain", "--help"]])
def test_start_up_loads_nothing_heavy(arguments, tmp_path):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    loaded = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "tfdomain" in loaded
    assert not loaded & set(LAZY)


def test_every_module_names_what_is_public():
    for name in _modules():
        module = importlib.import_module(name)
        if not name.endswith(("__init__", "__main__")) and not hasattr(module, "__path__"):
            assert all(hasattr(module, public) for public in getattr(module, "__all__", ())), name


def _modules(room: str | None = None) -> list[str]:
    paths = sorted((PACKAGE / room if room else PACKAGE).rglob("*.py"))
    names = [".".join(("tfdomain", *path.relative_to(PACKAGE).with_suffix("").parts)) for path in paths]
    return [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]
