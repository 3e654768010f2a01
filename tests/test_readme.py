"""The README is true: its commands exist and are understood, and its tree is what there is."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from t2v.cli import build_parser


ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [line.strip() for line in re.findall(r"^    (\S.*)$", README, flags=re.MULTILINE)]
SPACE = yaml.safe_load(README.split("---\n")[1])
TREE = re.search(r"## Layout\n+```\n(.*?)```", README, flags=re.DOTALL).group(1)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_every_make_target_exists(command):
    target = command.split()[1]
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("python -m t2v")])
def test_every_command_line_is_understood(command):
    build_parser().parse_args(shlex.split(command)[3:])


def test_there_are_commands_to_check():
    assert {command.split()[0] for command in COMMANDS} >= {"make", "python"}


def tree_paths():
    """Paths of the annotated tree: folders end in "/", nested ones are indented."""
    parents = {}
    for line in TREE.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        # Several names may share a line; the description follows after two spaces or more.
        names = re.split(r"\s{2,}(?=[^ ]+ )", line.strip())
        for name in [n for n in names if re.fullmatch(r"[\w.-]+(/|\.\w+)", n)]:
            parents = {d: p for d, p in parents.items() if d < depth}
            yield "/".join([*(parents[d].rstrip("/") for d in sorted(parents)), name])
            if name.endswith("/"):
                parents[depth] = name


def test_everything_in_the_tree_exists():
    paths = list(tree_paths())
    assert len(paths) > 15
    missing = [path for path in paths if not (ROOT / path).exists()]
    assert not missing


def test_every_part_of_the_package_is_in_the_tree():
    parts = {p.name for p in (ROOT / "t2v").iterdir() if p.name[0] not in "_."}
    unnamed = [name for name in parts if not re.search(rf"\b{re.escape(name)}", TREE)]
    assert not unnamed


def test_a_space_runs_what_was_tested():
    pins = (ROOT / "requirements.txt").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert SPACE["sdk"] == "gradio"
    assert re.search(rf"^gradio=={re.escape(SPACE['sdk_version'])}$", pins, flags=re.MULTILINE)
    assert Version(SPACE["python_version"]) in SpecifierSet(project["requires-python"])
    assert {"ffmpeg"} <= set((ROOT / "packages.txt").read_text().split())


def test_a_space_shows_what_there_is():
    assert (ROOT / SPACE["app_file"]).is_file()
    assert (ROOT / SPACE["thumbnail"]).is_file()
    assert 0 < len(SPACE["short_description"]) <= 60  # longer ones are refused
    assert {"title", "license", "emoji", "colorFrom", "colorTo"} <= SPACE.keys()
