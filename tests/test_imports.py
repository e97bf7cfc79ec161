"""The house rules that an ast can see: imports point down, heavy ones wait, only io opens files,
tools keep quiet.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from geoseg.cli.main import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "geoseg"
# Those are the command line's own, and the page over the others
VERBS = set(COMMANDS) - {"completion", "serve"}
# the plugin runs in QGIS and imports nothing of geoseg
FILES = sorted(set(PACKAGE.rglob("*.py")) - {PACKAGE / "qgis/plugin.py"})
LAYERS = (
    "errors",
    "parallel",
    "report",
    "specs",
    "core",
    "geometry",
    "io",
    "drawing",
    "models",
    "labels",
    "inference",
    "chips",
    "evaluation",
    "training",
    "reports",
    "tools",
    "api",
    "web",
    "cli",
)
RANK = {name: rank for rank, name in enumerate(LAYERS)}
HEAVY = {
    "torch",
    "rasterio",
    "numpy",
    "geopandas",
    "shapely",
    "pyproj",
    "pyogrio",
    "openvino",
    "lightning",
    "skimage",
    "affine",
    "matplotlib",
    "jinja2",
    "gradio",
    "fastapi",
    "uvicorn",
}
OPENING = {
    "read_text",
    "write_text",
    "read_bytes",
    "write_bytes",
    "read_file",
    "read_parquet",
    "to_file",
    "to_parquet",
}
OPENING |= {"read_dataframe", "write_dataframe"}
# Files outside io/ that may open files, each with its reason
OPENERS = {
    "models/modelfile.py": "reads and writes the model file, the one format that belongs to models/",
    "models/metadata.py": "changes what a model file says of itself",
}


def layer(path: Path) -> str:
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imported(tree: ast.AST) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((f"{node.module}.{alias.name}", node.lineno) for alias in node.names)


def upward(text: str, own: str) -> list[str]:
    """Imports of ``text``, a module of layer ``own``, from a higher layer."""
    found = []
    for name, line in imported(ast.parse(text)):
        parts = name.split(".")
        if parts[0] == "geoseg" and RANK.get(parts[1], -1) > RANK[own]:
            found.append(f"line {line}: {own} imports {name}")
    return found


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    """Calls with the last part of the name that is called."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield node, ast.unparse(node.func).split(".")[-1]


def openings(text: str) -> list[str]:
    """Calls in ``text`` that open a file: by the name of the method, or an ``open`` of a file's,
    not of our own.
    """
    found = []
    for node, name in calls(ast.parse(text)):
        owner = ast.unparse(node.func).removesuffix("open").rstrip(".")
        mode = bool(node.args) and isinstance(node.args[0], ast.Constant)
        if name in OPENING or (
            name == "open" and (owner in ("", "rasterio", "pyogrio", "io") or mode or not node.args)
        ):
            found.append(f"line {node.lineno}: {ast.unparse(node.func)}")
    return found


def relative(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


layered = pytest.mark.parametrize("path", [p for p in FILES if layer(p) in RANK], ids=relative)


@layered
def test_imports_point_down(path: Path) -> None:
    assert upward(path.read_text(), layer(path)) == []


def needs() -> dict[str, set[str]]:
    """The modules of geoseg that each module imports, wherever in it."""
    names = {
        ".".join(("geoseg", *path.relative_to(PACKAGE).with_suffix("").parts)): path
        for path in FILES
    }
    found = {}
    for name, path in names.items():
        wanted = {
            part
            for full, _ in imported(ast.parse(path.read_text()))
            for part in (full, full.rpartition(".")[0])
        }
        found[name.removesuffix(".__init__")] = {part for part in wanted if part in names} - {name}
    return found


def circles(graph: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that import each other, directly or through others."""
    seen: dict[str, set[str]] = {}
    for start in graph:
        reached: set[str] = set()
        waiting = [start]
        while waiting:
            new = graph.get(waiting.pop(), set()) - reached
            reached |= new
            waiting += new
        seen[start] = reached
    groups = {
        frozenset({other for other in seen[name] if name in seen[other]})
        for name in graph
        if name in seen[name]
    }
    return [set(group) for group in groups]


def test_no_files_import_each_other() -> None:
    assert circles(needs()) == []


def test_a_circle_is_seen() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": set()}) == [{"a", "b", "c"}]


def test_tools_are_the_verbs_and_nothing_else() -> None:
    verbs = {path.stem for path in (PACKAGE / "tools").glob("*.py")} - {
        "__init__",
        "evaluate_chips",
    }
    assert verbs == VERBS


def test_an_upward_import_is_seen() -> None:
    assert upward("def f():\n    from geoseg.tools import tile\n", "io") == [
        "line 2: io imports geoseg.tools.tile"
    ]
    assert upward("from geoseg.core.grid import Grid\n", "io") == []


@layered
def test_only_io_opens_files(path: Path) -> None:
    if layer(path) == "io" or relative(path) in OPENERS:
        return
    assert openings(path.read_text()) == []


def test_an_opened_file_is_seen() -> None:
    text = "open(p)\nio.open(p)\np.open('rb')\np.open()\np.read_text()\nmodels.open(p)\nos.open(p, 1)\n"
    assert openings(text) == [
        "line 1: open",
        "line 2: io.open",
        "line 3: p.open",
        "line 4: p.open",
        "line 5: p.read_text",
    ]


@pytest.mark.parametrize(
    "path", [p for p in FILES if layer(p) not in ("cli", "web", "__main__")], ids=relative
)
def test_the_library_neither_prints_nor_knows_click(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert [node.lineno for node, name in calls(tree) if name == "print"] == []
    assert [line for name, line in imported(tree) if name.split(".")[0] == "click"] == []


@pytest.mark.parametrize("path", [p for p in FILES if layer(p) == "cli"], ids=relative)
def test_heavy_imports_wait_in_the_cli(path: Path) -> None:
    top = ast.Module(
        [
            n
            for n in ast.parse(path.read_text()).body
            if not isinstance(n, ast.FunctionDef | ast.ClassDef)
        ],
        [],
    )
    names = {name for name, _ in imported(top)}
    assert {name.split(".")[0] for name in names} & HEAVY == set()
    light = ("geoseg.core.text", "geoseg.report", "geoseg.io.scene_names", "geoseg.io.config")
    light += ("geoseg.io.packages", "geoseg.io.provenance")
    allowed = (*light, "geoseg.specs", "geoseg.errors", "geoseg.cli", "geoseg.__version__")
    assert [
        name for name in names if name.startswith("geoseg") and not name.startswith(allowed)
    ] == []


def test_what_is_imported_is_declared() -> None:
    """Without an extra: what geoseg imports at the top of a module, save those of training and
    export.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {re.split(r"[^\w-]", line)[0] for line in project["dependencies"]}
    extras = {
        re.split(r"[^\w-]", line)[0]
        for lines in project["optional-dependencies"].values()
        for line in lines
    }
    found = {
        name.split(".")[0] for path in FILES for name, _ in imported(ast.parse(path.read_text()))
    }
    other_names = {"skimage": "scikit-image", "PIL": "pillow"}
    third_party = {
        other_names.get(n, n.replace("_", "-"))
        for n in found - set(sys.stdlib_module_names) - {"geoseg"}
    }
    assert third_party - extras == declared


def test_an_extra_brings_what_is_imported() -> None:
    """But for ``dev`` and ``docs``, and for what a package that is imported needs at run time."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = "\n".join(path.read_text() for path in FILES)
    for extra, lines in project["optional-dependencies"].items():
        for line in lines if extra not in ("dev", "docs") else ():
            name = re.split(r"[^\w-]", line)[0]
            module = {"pillow": "PIL"}.get(name, name.replace("-", "_"))
            # torch.onnx imports the second, models/lite.py finds the others by name
            by_others = name in ("geoseg", "onnxscript") or name.endswith("-pytorch-model")
            assert by_others or re.search(rf"\b{module}\b", text), (extra, name)


def test_core_is_pure() -> None:
    for path in (*(PACKAGE / "core").glob("*.py"), *(PACKAGE / "geometry").glob("*.py")):
        names = {name.split(".")[0] for name, _ in imported(ast.parse(path.read_text()))}
        assert names & {"torch", "click", "pyogrio", "openvino", "pathlib", "os"} == set(), path


def test_help_loads_nothing_heavy() -> None:
    heavy = sorted(HEAVY | {"pandas", "scipy", "smp", "importlib.metadata"})
    code = (
        "import sys; from geoseg.cli.main import run; run(['--help']);"
        f"print('loaded', *(name for name in {heavy} if name in sys.modules))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert "Commands:" in shown
    assert shown.splitlines()[-1] == "loaded"


def test_torch_waits_for_those_who_train() -> None:
    """One process for all of them: what none has loaded, each has not; else it names the first."""
    commands = sorted(VERBS - {"train", "models", "export", "doctor"})
    code = (
        f"import importlib, sys\nfor command in {commands}:\n"
        "    importlib.import_module('geoseg.tools.' + command)\n"
        "    heavy = {'torch', 'lightning', 'segmentation_models_pytorch'} & sys.modules.keys()\n"
        "    if heavy: sys.exit(print(command, *heavy))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert shown.strip() == ""
