"""Worlds that embedded stacks are trained on: captions, scenes and renderers."""

import json
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from t2v.errors import ConfigError


if TYPE_CHECKING:
    from t2v.worlds.world import World


CLASSES = {"shapes": "Shapes", "storybook": "Storybook"}


@cache
def find_world(name: str) -> "World":
    """Finds a world by its name.

    Raises:
        ConfigError: there is no such world.
    """
    if name not in CLASSES:
        raise ConfigError(f"world must be one of {', '.join(CLASSES)}, got {name!r}")
    return getattr(import_module(f"t2v.worlds.{name}"), CLASSES[name])()


def world_of(weights_folder: Path) -> "World":
    """Finds the world that a stack was trained on, from `stack.json` next to its weights.

    Raises:
        ConfigError: it was trained on none of them.
    """
    name = world_name(weights_folder)
    if name is None:
        raise ConfigError(
            f"the weights in {weights_folder} were not trained on any world of {', '.join(CLASSES)}"
        )
    return find_world(name)


def world_name(weights_folder: Path) -> str | None:
    """The name of the world that a stack was trained on; None if it was trained on none."""
    path = weights_folder / "stack.json"
    sizes = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return sizes.get("world")
