"""Finds the texts of the page in the source: what `tr` and its like are called with."""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import t2v
from t2v.runs.record import State
from t2v.settings.presets import list_presets
from t2v.ui.action_buttons import SIGNS
from t2v.ui.comparison_panels import ABLATIONS
from t2v.ui.examples import preset_examples
from t2v.ui.history import STATES
from t2v.ui.labels import LABELS
from t2v.ui.parameters import page_settings
from t2v.ui.stage import SCRIPT_TEXTS
from t2v.ui.start import FIT_NAMES
from t2v.ui.status import STAGES
from t2v.ui.texts.page import LOGIN_TEXTS


ROOT = Path(t2v.__file__).parent
PLACE = re.compile(r"\{\w*\}")
SETTING_PARTS = ("label", "help", "placeholder")
PRESET_PARTS = ("title", "description", "hint")
NUM_TEXTS = {"tr": 1, "tr_count": 2}  # how many of the first arguments are texts


def page_texts() -> set[str]:
    """All that may be looked up: texts in calls, and those that are looked up by a variable."""
    texts = set(texts_in_calls())
    texts |= {getattr(one, part) for one in page_settings().values() for part in SETTING_PARTS}
    texts |= {getattr(preset, part) for preset in list_presets().values() for part in PRESET_PARTS}
    texts |= {one.machine for preset in list_presets().values() for one in preset_examples(preset)}
    texts |= {name for _, name in SIGNS.values()} | {
        *STATES.values(),
        *STAGES.values(),
        *FIT_NAMES.values(),
    }
    texts |= {*LABELS.values(), *ABLATIONS, *SCRIPT_TEXTS, *LOGIN_TEXTS.values(), " ", ", "}
    texts |= set(get_args(State)) - STATES.keys()
    return texts - {""}


def texts_in_calls() -> Iterator[str]:
    """Texts in calls of `tr` and `tr_count`, also by the name of a constant."""
    for path in sorted((ROOT / "ui").rglob("*.py")):
        for call in ast.walk(parsed(path)):
            if isinstance(call, ast.Call) and isinstance(call.func, ast.Name):
                for argument in call.args[: NUM_TEXTS.get(call.func.id, 0)]:
                    yield from values_of(argument, path)


def values_of(argument: ast.expr, path: Path) -> Iterator[str]:
    if isinstance(argument, ast.Constant):
        yield argument.value
    elif isinstance(argument, ast.Name) and argument.id.isupper():
        name = ".".join(("t2v", *path.relative_to(ROOT).with_suffix("").parts))
        yield getattr(importlib.import_module(name), argument.id)


def forms() -> set[str]:
    """All texts in the source of the package, with {} for each value, as `form_of` gives them."""
    found = set()
    for path in ROOT.rglob("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(form_of(node.value))
            elif isinstance(node, ast.JoinedStr):
                found.add("".join(form_of(part) for part in map(literal, node.values)))
    return found


def literal(part: ast.expr) -> str:
    return part.value if isinstance(part, ast.Constant) else "{}"


def form_of(text: str) -> str:
    return PLACE.sub("{}", text)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def script_texts() -> set[str]:
    """What `tr` is called with in the scripts of the page."""
    return {
        text
        for path in (ROOT / "ui" / "static").glob("*.js")
        for text in re.findall(r'\btr\("([^"]+)"', path.read_text(encoding="utf-8"))
    }
