"""Imports point one way: only app.py and the command line see everything."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest


ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "t2v"
LEAVES = {"atomic", "config", "errors", "events", "prompts", "state"}
# A part is a file or a folder in t2v; it may always import itself.
MAY_IMPORT = {
    "atomic": set(),
    "errors": set(),
    "prompts": {"errors"},
    "config": {"errors", "prompts"},
    "state": set(),
    "events": {"state"},
    "media": {"atomic", "errors"},
    "metrics": {"errors"},
    "models": {"errors"},
    "presets": {"config", "errors"},
    "checkpoints": {"errors", "models"},
    "origin": {"atomic", "config", "errors", "media", "version"},
    "pipeline": LEAVES | {"checkpoints", "models", "presets"},
    "weights": {"errors", "checkpoints", "models", "pipeline", "presets"},
    # Is given the pipeline as a function: it runs, and is tested, without any model.
    "jobs": LEAVES | {"version", "media", "origin"},
    "ui": LEAVES | {"jobs", "media", "origin", "presets"},
    "training": LEAVES | {"checkpoints", "models", "pipeline", "presets"},
    "attributes": {"config", "metrics", "models", "training"},
    "evaluation": LEAVES
    | {
        "attributes",
        "checkpoints",
        "media",
        "metrics",
        "models",
        "pipeline",
        "presets",
        "training",
    },
}
SEE_EVERYTHING = {"cli", "__main__"}
# Heavy libraries, and the only parts that may name them.
HEAVY = {
    "gradio": {"ui"},
    "torch": {
        "models",
        "checkpoints",
        "pipeline",
        "weights",
        "training",
        "evaluation",
        "attributes",
    },
    "huggingface_hub": {"weights"},
    "diffusers": {"models", "pipeline", "training"},
    "transformers": {"models", "pipeline", "training"},
    "cv2": {"metrics"},
    "av": {"media"},
}


def imported_modules(file: Path) -> set[str]:
    """Dotted names of everything a file imports, also inside functions."""
    modules = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            if node.module == "t2v":
                modules |= {f"t2v.{alias.name.replace('__', '')}" for alias in node.names}
            else:
                modules.add(node.module)
    return modules


def files_of(part: str) -> list[Path]:
    return [*PACKAGE.glob(f"{part}/**/*.py"), *PACKAGE.glob(f"{part}.py")]


def parts_in(modules: set[str]) -> set[str]:
    return {module.split(".")[1] for module in modules if module.startswith("t2v.")}


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_imports_point_down(part):
    for file in files_of(part):
        assert parts_in(imported_modules(file)) <= MAY_IMPORT[part] | {part}, file


def test_every_part_has_its_place():
    found = {path.stem for path in PACKAGE.glob("*.py")} | {
        path.name for path in PACKAGE.iterdir() if list(path.glob("*.py"))
    }
    assert found - {"__init__"} == MAY_IMPORT.keys() | SEE_EVERYTHING


def test_the_table_has_no_circle():
    done = {"version"}
    while ready := {part for part in MAY_IMPORT.keys() - done if MAY_IMPORT[part] <= done}:
        done |= ready
    assert done >= MAY_IMPORT.keys()


@pytest.mark.parametrize("library", HEAVY)
def test_a_heavy_library_stays_where_it_is_needed(library):
    for part in MAY_IMPORT.keys() - HEAVY[library]:
        for file in files_of(part):
            libraries = {module.split(".")[0] for module in imported_modules(file)}
            assert library not in libraries, file


@pytest.mark.parametrize("module", ["t2v.cli", "app"])
def test_starting_up_loads_no_heavy_library(module):
    """So that --help and an error are there at once."""
    loaded = f"import sys, {module}; print(*{set(HEAVY)} & sys.modules.keys())"
    process = subprocess.run(
        [sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert process.stdout.split() == []
