"""The packages that are released: wheel, sdist, image, recipe, citation, forms for issues."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path
from typing import Any

import pytest

from geoseg import __version__

yaml = pytest.importorskip("yaml")

ROOT = Path(__file__).resolve().parents[1]
PACKAGING = ROOT / "docs" / "packaging"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
ALLOWED = ("FROM", "WORKDIR", "COPY", "RUN", "LABEL", "ENV", "USER", "ENTRYPOINT", "CMD")
# The same package under conda-forge's name, without what is optional there
CONDA = {"geopandas": "geopandas-base", "matplotlib": "matplotlib-base"}


def run(*command: str | Path, cwd: Path) -> str:
    """What ``command`` prints; it has to succeed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel and the sdist of this tree."""
    pytest.importorskip("build")
    folder = tmp_path_factory.mktemp("built")
    tree = folder / "tree"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "geoseg", tree / "geoseg", ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", tree, cwd=folder)
    return folder / "dist"


@pytest.mark.slow
def test_wheel_and_sdist_hold_the_package(built: Path) -> None:
    wheel, sdist = next(built.glob("*.whl")), next(built.glob("*.tar.gz"))
    with zipfile.ZipFile(wheel) as file:
        names = set(file.namelist())
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "geoseg").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    assert files <= names
    # nothing of the tests, the docs or the sample data
    assert {name.split("/")[0] for name in names} == {
        "geoseg",
        f"geoseg-{__version__}.dist-info",
    }
    with tarfile.open(sdist) as tar:
        inside = {name.partition("/")[2] for name in tar.getnames()}
    assert files <= inside and {"pyproject.toml", "README.md", "LICENSE"} <= inside
    pytest.importorskip("twine")
    checked = run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist, cwd=built)
    assert checked.count("PASSED") == 2


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["*.whl", "*.tar.gz"])
def test_a_new_environment_installs_it_and_extracts(
    kind: str, built: Path, tmp_path: Path, sample_scene: Path
) -> None:
    """Its dependencies are this environment's; `.ci/run` installs them as well."""
    venv.create(tmp_path / "new", with_pip=True)
    python = tmp_path / "new" / "bin" / "python"
    packages = "\n".join(path for path in sys.path if path.endswith("site-packages"))
    there = next((tmp_path / "new").glob("lib/python*/site-packages"))
    (there / "of_the_tests.pth").write_text(packages)
    package = next(built.glob(kind))
    run(python, "-m", "pip", "install", "--no-deps", "--force-reinstall", package, cwd=tmp_path)
    where = run(python, "-I", "-c", "import geoseg; print(geoseg.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(tmp_path)
    geoseg = tmp_path / "new" / "bin" / "geoseg"
    assert run(geoseg, "--version", cwd=tmp_path).strip() == f"geoseg {__version__}"
    run(
        geoseg, "extract", sample_scene, "-o", "a.gpkg", "--window", "900,800,640,480", cwd=tmp_path
    )
    assert "MultiPolygon" in run(geoseg, "info", "a.gpkg", cwd=tmp_path)


def instructions(text: str) -> list[tuple[str, str]]:
    """Instruction and arguments of each step of a Dockerfile."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE))
    lines = [line.strip() for line in joined.splitlines() if line.strip()]
    return [(line.split()[0], line.partition(" ")[2].strip()) for line in lines]


def test_the_dockerfile_follows_the_rules() -> None:
    """The main rules of hadolint, by hand: that program comes in no package that pip has."""
    steps = instructions((PACKAGING / "Dockerfile").read_text("utf-8"))
    bases = [argument for name, argument in steps if name == "FROM"]
    assert [base.split()[-1] for base in bases] == ["build", "light", "full"]
    for base in bases:
        image = base.split()[0]
        assert image in ("light", "build") or re.search(r":\d", image), f"no version: {image}"
    for name, argument in steps:
        assert name in ALLOWED, name
        if name == "COPY" and "--from" not in argument:
            for source in argument.split()[:-1]:
                assert (ROOT / source).exists(), source
        if "pip install" in argument or "pip wheel" in argument:
            assert "--no-cache-dir" in argument
        if "apt-get install" in argument:
            assert "--no-install-recommends" in argument and "rm -rf /var/lib/apt" in argument
        if name in ("ENTRYPOINT", "CMD"):
            assert argument.startswith("["), "a shell would swallow signals"
    users = [argument for name, argument in steps if name == "USER"]
    assert users[-1] == "nobody" and users[0] == "nobody"
    sent = (PACKAGING / "Dockerfile.dockerignore").read_text("utf-8").split()
    assert sent[0] == "*" and {"!geoseg", "!pyproject.toml", "!LICENSE"} <= {*sent}


def test_the_recipe_has_the_dependencies_of_the_package() -> None:
    text = (PACKAGING / "recipe" / "meta.yaml").read_text("utf-8")
    assert f'set version = "{__version__}"' in text
    plain = re.sub(r"\{%.*?%\}", "", text).replace("{{", "<").replace("}}", ">")
    recipe: dict[str, Any] = yaml.safe_load(plain)
    wanted = set()
    for dependency in PROJECT["dependencies"]:
        name, limits = re.match(r"([\w-]+)(.*)", dependency).groups()  # type: ignore[union-attr]
        # conda-forge has OpenVINO for every platform that the recipe builds on
        limits = limits.partition(";")[0]
        wanted.add(f"{CONDA.get(name, name)} {limits}".strip())
    run_time = set(recipe["requirements"]["run"])
    assert run_time == wanted | {f"python {PROJECT['requires-python']}"}
    (script,) = recipe["build"]["entry_points"]
    assert script == f"geoseg = {PROJECT['scripts']['geoseg']}"


def test_the_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["version"] == __version__ and citation["license"] == PROJECT["license"]
    assert {"cff-version", "message", "title", "authors", "type"} <= citation.keys()


@pytest.mark.parametrize(
    "path", sorted((ROOT / ".github/ISSUE_TEMPLATE").glob("[!c]*.yml")), ids=lambda p: p.stem
)
def test_a_form_for_issues_is_well_formed(path: Path) -> None:
    form = yaml.safe_load(path.read_text("utf-8"))
    assert {"name", "description", "body"} <= form.keys()
    names = [part["id"] for part in form["body"]]
    assert len(names) == len(set(names))
    assert all(part["attributes"]["label"] for part in form["body"])
    for command in re.findall(r"`geoseg (\w+)", path.read_text("utf-8")):
        from geoseg.cli.main import COMMANDS

        assert command in COMMANDS
