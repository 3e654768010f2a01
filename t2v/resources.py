"""Where files are: those that come with the program, and those of its user.

In a checkout of the repository both are in it. Installed by pip, presets and bundled weights are in
the package (pyproject.toml maps them there), and what the user makes or downloads is in a folder of
its own: the one that LONGTAKE_HOME names, or the platform's folder for data of programs.
"""

import os
import sys
from importlib.resources import files
from pathlib import Path


PACKAGE = Path(str(files("t2v")))
HOME_VARIABLE = "LONGTAKE_HOME"


def in_checkout() -> bool:
    """Whether the package runs from a checkout of the repository."""
    return (PACKAGE.parent / "pyproject.toml").is_file() and (PACKAGE.parent / "presets").is_dir()


def bundled() -> Path:
    """The folder with `presets/` and `assets/`."""
    return PACKAGE.parent if in_checkout() else PACKAGE


def home() -> Path:
    """The folder for downloaded weights and for runs. It may not exist yet."""
    if chosen := os.environ.get(HOME_VARIABLE):
        return Path(chosen).expanduser().resolve()
    return PACKAGE.parent if in_checkout() else data_folder() / "longtake"


def data_folder() -> Path:
    """The platform's folder for data of programs."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
