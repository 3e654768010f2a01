"""The wheel, and the lists of dependencies."""

import ast
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from t2v import resources
from t2v.media.reader import read_frames
from t2v.ui.auth import MCP


ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_DECLARED = {"spaces"}  # on ZeroGPU, Hugging Face installs it


def pins(name: str) -> set[str]:
    """The requirements in a file, without those of other files."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith(("#", "-"))}


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("requirements.txt", PROJECT["dependencies"]),
        ("requirements-dev.txt", PROJECT["optional-dependencies"]["dev"]),
    ],
)
def test_requirements_files_are_copies_of_pyproject(name, declared):
    assert pins(name) == set(declared)


def test_the_library_for_mcp_is_the_one_that_is_tested():
    assert MCP in PROJECT["optional-dependencies"]["dev"]
    assert f"pip install {MCP}" in (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def imported_libraries(folder: str) -> set[str]:
    """The top-level modules that the code in a folder imports, without this project's own."""
    found = set()
    for file in ROOT.joinpath(folder).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found.add(node.module)
    own = {"t2v", "tests", "benchmarks", "app"}
    return {name.partition(".")[0] for name in found} - set(sys.stdlib_module_names) - own


def names_of(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in requirements}


@pytest.mark.parametrize("folder", ["t2v", "benchmarks", "tests"])
def test_every_imported_library_is_declared(folder):
    declared = names_of(PROJECT["dependencies"])
    if folder == "t2v":
        for extra in ("cluster", "eight-bit", "metrics"):  # asked for where used
            declared |= names_of(PROJECT["optional-dependencies"][extra])
    if folder == "tests":
        # Gradio's client comes with Gradio, whose version it must match.
        declared |= names_of(PROJECT["optional-dependencies"]["dev"]) | {"gradio-client"}
    homes = packages_distributions()
    missing = {
        module
        for module in imported_libraries(folder) - NOT_DECLARED
        if not {canonicalize_name(name) for name in homes.get(module, [module])} & declared
    }
    assert not missing


def test_home_is_the_folder_that_the_user_names(monkeypatch, tmp_path):
    monkeypatch.setenv(resources.HOME_VARIABLE, str(tmp_path / "mine"))
    assert resources.home() == tmp_path / "mine"
    monkeypatch.delenv(resources.HOME_VARIABLE)
    assert resources.home() == resources.bundled() == ROOT


def test_an_installed_package_keeps_user_files_out_of_its_own_folder(monkeypatch, tmp_path):
    monkeypatch.setattr(resources, "PACKAGE", tmp_path / "site-packages" / "t2v")
    monkeypatch.delenv(resources.HOME_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert resources.bundled() == tmp_path / "site-packages" / "t2v"
    assert resources.home() == tmp_path / "data" / "longtake"


@pytest.mark.slow
def test_the_wheel_generates_a_video_in_an_empty_folder(tmp_path):
    wheels, installed, work = (tmp_path / name for name in ("wheels", "installed", "work"))
    work.mkdir()
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    build = [*pip, "wheel", "--no-build-isolation", "--no-deps", "-w", str(wheels), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    [wheel] = wheels.iterdir()
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"t2v", "longtake"}
    for name in ("shapes", "storybook"):
        assert f"t2v/presets/{name}.toml" in names
        assert f"t2v/assets/{name}/unet/000.safetensors" in names
        assert f"t2v/assets/{name}/refiner/000.safetensors" in names
        assert f"t2v/assets/examples/{name}/examples.json" in names
    assert {f"t2v/worlds/storybook/{name}" for name in ("atlas.png", "NOTICE.txt")} <= set(names)
    assert not [name for name in names if name.endswith((".gif", ".pyc"))]

    install = [*pip, "install", "--no-deps", "--target", str(installed), str(wheel)]
    subprocess.run(install, check=True, capture_output=True)
    arguments = [
        "generate",
        "--prompt",
        "a squirrel jumping over the snow field",
        "--chunks",
        "1",
        "--steps",
        "2",
    ]
    subprocess.run(
        [str(installed / "bin" / "longtake"), *arguments, "--out", "a.mp4"],
        cwd=work,
        env={"PYTHONPATH": str(installed), "PATH": "/usr/bin:/bin", "HOME": str(work)},
        check=True,
        capture_output=True,
    )
    assert len(read_frames(work / "a.mp4")) == 16
    assert {path.name for path in work.iterdir()} >= {"a.mp4", "a.json"}
