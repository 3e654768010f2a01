"""README and docs/ agree with the code: commands, paths, links, Python examples, names."""

import ast
import re
import shlex
import shutil
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from t2v.cli import build_parser
from t2v.settings.config import SETTINGS
from t2v.settings.presets import load_preset


ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SPACE = yaml.safe_load(README.split("---\n")[1])
TREE = re.search(r"## Layout\n+```\n(.*?)```", README, flags=re.DOTALL).group(1)
# The log tells of files and commands as they were on its dates.
GUIDES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (
        *sorted(ROOT.glob("*.md")),
        ROOT / "assets/shapes/README.md",
        ROOT / "assets/storybook/README.md",
        *sorted((ROOT / "docs").glob("*.md")),
    )
    if path.name != "log.md"
}
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.DOTALL | re.MULTILINE)
PROGRAMS = (("longtake",), ("python", "-m", "t2v"), ("python", "app.py"))
PLACEHOLDERS = {"NAME", "DIR", "COMMAND"}


def blocks(language):
    """(guide, code) of every fenced block in that language."""
    for guide, text in GUIDES.items():
        for name, code in FENCE.findall(text):
            if name == language:
                yield guide, code


def command_lines():
    """Words of every line of every shell block, without comments."""
    for _, code in blocks("sh"):
        for line in code.replace("\\\n", " ").splitlines():
            if words := shlex.split(line, comments=True):
                yield words


def without_program(words):
    """Arguments of a command of Longtake, `app` among them; None for other programs."""
    for program in PROGRAMS:
        if tuple(words[: len(program)]) == program:
            return [*(["app"] if "app.py" in program else []), *words[len(program) :]]
    return None


def inline_code():
    """(guide, code) of everything in backticks, outside of fenced blocks."""
    for guide, text in GUIDES.items():
        for code in re.findall(r"`([^`]+)`", FENCE.sub("", text)):
            yield guide, " ".join(code.split())


LONGTAKE = [words for words in command_lines() if without_program(words) is not None]


@pytest.mark.parametrize("words", LONGTAKE, ids=" ".join)
def test_every_command_line_is_understood(words):
    build_parser().parse_args(without_program(words))


def test_every_command_named_in_a_sentence_exists():
    known = subcommands()
    named = set()
    for _, code in inline_code():
        if arguments := without_program(code.split()):
            named.add(arguments[0])
    assert len(named) > 5
    assert named - PLACEHOLDERS <= known


def test_the_command_line_guide_lists_every_command():
    guide = GUIDES["docs/command-line.md"]
    listed = set(re.findall(r"^\| `longtake (\w+)` \|", guide, flags=re.MULTILINE))
    assert listed == subcommands()


def subcommands():
    (action,) = (action for action in build_parser()._actions if action.dest == "command")
    return set(action.choices)


def test_every_option_named_in_a_sentence_exists():
    parsers = next(a for a in build_parser()._actions if a.dest == "command").choices.values()
    known = {option for parser in parsers for option in parser._option_string_actions}
    others = {"--goldens", "--depth"}  # pytest's and git's
    named = {code.split()[0] for _, code in inline_code() if code.startswith("--")}
    assert len(named) > 10
    assert named <= known | others


def test_every_other_command_of_this_repository_exists():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, flags=re.MULTILINE))
    programs = set()
    for words in command_lines():
        programs.add(words[0])
        if words[0] == "make":
            assert set(words[1:]) <= targets
        if words[:2] == ["python", "-m"] and words[2] != "t2v":
            script = (ROOT / words[2].replace(".", "/")).with_suffix(".py").read_text()
            assert [word for word in words[3:] if word[:2] == "--" and word not in script] == []
    for _, code in inline_code():
        if re.fullmatch(r"make [a-z-]+", code):
            assert code.split()[1] in targets
    assert programs == {"hf", "longtake", "make", "pip", "python"}  # hf: of huggingface_hub


@pytest.mark.parametrize(
    ("guide", "code"), list(blocks("python")), ids=[guide for guide, _ in blocks("python")]
)
def test_every_python_example_compiles(guide, code):
    tree = ast.parse(code, guide)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.startswith("t2v"):
            module = __import__(node.module, fromlist=["any"])
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("guide", "videos", "output"),
    [
        ("README.md", {"out.mp4"}, "Chunk\n"),
        ("docs/quickstart.md", {"car.mp4"}, ""),
        (
            "docs/python.md",
            {"out.mp4", "car.mp4", "first.mp4", "more.mp4"},
            "40 frames of (64, 64, 3)\n",
        ),
    ],
)
def test_every_python_example_runs(guide, videos, output, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # the bundled preset is the default
    for name, code in blocks("python"):
        if name == guide:
            exec(compile(code, guide, "exec"), {})
    assert {path.name for path in tmp_path.glob("*.mp4")} == videos
    assert output in capsys.readouterr().out


def test_the_examples_of_presets_are_valid(tmp_path):
    examples = [code for guide, code in blocks("toml") if guide == "docs/adding-a-preset.md"]
    assert len(examples) == 2
    shutil.copy(ROOT / "presets" / "shapes.toml", tmp_path)  # the second one extends it
    for example in examples:
        path = tmp_path / "mine.toml"
        path.write_text(example, encoding="utf-8")
        assert load_preset(path).name == "mine"


def test_every_link_leads_to_a_file_or_heading():
    links = [
        (guide, link)
        for guide, text in GUIDES.items()
        for link in re.findall(r"\]\(([^)\s]+)\)", FENCE.sub("", text))
        if not re.match(r"[a-z]+:", link)
    ]
    assert len(links) > 40
    assert [pair for pair in links if not leads_somewhere(*pair)] == []


def leads_somewhere(guide, link):
    name, _, anchor = link.partition("#")
    path = (ROOT / guide).parent / name if name else ROOT / guide
    if not path.exists():
        return False
    headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8") if anchor else "", re.M)
    slugs = {re.sub(r"[^\w -]", "", text).strip().lower().replace(" ", "-") for text in headings}
    return not anchor or anchor in slugs


def test_every_path_named_in_a_sentence_exists():
    tops = "|".join(("app.py", "t2v", "tests", "docs", "presets", "assets", "benchmarks"))
    paths = {
        (guide, code)
        for guide, code in inline_code()
        if re.fullmatch(rf"(?:{tops})(?:/[\w.-]+)*/?", code)
    }
    assert len(paths) > 20
    missing = [(guide, path) for guide, path in paths if not (ROOT / path).exists()]
    # What the changelog removed is gone, as it says.
    assert [pair for pair in missing if pair != ("CHANGELOG.md", "docs/metrics.md")] == []


def test_the_guide_of_the_page_has_every_setting():
    rows = set(re.findall(r"^\| ([^|]+) \|", GUIDES["docs/app.md"], flags=re.MULTILINE))
    labels = {one.label for one in SETTINGS.values() if "page" in one.surfaces}
    assert len(labels) > 10
    assert labels <= rows


def test_the_python_guide_has_every_setting():
    assert len(SETTINGS) > 10
    assert [name for name in SETTINGS if f"`{name}`" not in GUIDES["docs/python.md"]] == []


ARCHITECTURE = " ".join(GUIDES["docs/architecture.md"].split())


def test_every_module_of_the_architecture_exists():
    paths = set(re.findall(r"[a-z_0-9]+(?:/[a-z_0-9]+)*\.(?:py|js)\b", ARCHITECTURE))
    assert len(paths) > 25
    assert [path for path in sorted(paths) if not (ROOT / "t2v" / path).is_file()] == []


@pytest.mark.parametrize(
    ("path", "name"), sorted(set(re.findall(r"([a-z_0-9/]+\.py): ([A-Za-z_.]+\w)", ARCHITECTURE)))
)
def test_every_name_of_the_architecture_is_defined_where_it_says(path, name):
    node = ast.parse((ROOT / "t2v" / path).read_text(encoding="utf-8"))
    for part in name.split("."):
        kinds = (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        found = [n for n in node.body if isinstance(n, kinds) and n.name == part]
        assert found, f"{path} does not define {name}"
        node = found[0]


def tree_paths():
    """Paths of the layout: folders end in "/", nested ones are indented."""
    parents = {}
    for line in TREE.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        parents = {d: p for d, p in parents.items() if d < depth}
        yield "/".join([*(parents[d].rstrip("/") for d in sorted(parents)), name])
        if name.endswith("/"):
            parents[depth] = name


def test_everything_in_the_tree_exists():
    paths = list(tree_paths())
    assert len(paths) > 15
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_every_part_of_the_package_is_in_the_tree():
    parts = {
        f"t2v/{path.name}{'/' if path.is_dir() else ''}"
        for path in (ROOT / "t2v").iterdir()
        if path.name[0] not in "_." and (path.is_dir() or path.suffix == ".py")
    }
    assert parts <= set(tree_paths())


def test_the_readme_is_short():
    lines = README.splitlines()
    assert len(lines) <= 165
    assert [line for line in lines if len(line) > 100 and line[0] not in "|!"] == []


def test_every_preset_is_in_the_table():
    cells = re.findall(r"^\| (`[^|]+) \|", README.split("## Presets")[1], flags=re.MULTILINE)
    named = {name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)}
    assert {path.stem for path in (ROOT / "presets").glob("*.toml")} <= named


def test_a_space_runs_what_was_tested():
    pins = (ROOT / "requirements.txt").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert SPACE["sdk"] == "gradio"
    assert re.search(rf"^gradio=={re.escape(SPACE['sdk_version'])}$", pins, flags=re.MULTILINE)
    assert Version(SPACE["python_version"]) in SpecifierSet(project["requires-python"])
    assert {"ffmpeg"} <= set((ROOT / "packages.txt").read_text().split())


def test_a_space_describes_what_exists():
    assert (ROOT / SPACE["app_file"]).is_file()
    assert (ROOT / SPACE["thumbnail"]).is_file()
    assert 0 < len(SPACE["short_description"]) <= 60  # longer ones are refused
    assert {"title", "license", "emoji", "colorFrom", "colorTo"} <= SPACE.keys()
    assert SPACE["license"] == "apache-2.0"
