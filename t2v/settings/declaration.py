"""Declarations of settings: one place that says all there is to say about a setting.

A field of a config dataclass declares its setting with `setting(...)`. The page's form, the API's
signature and documentation, the options of the command line, restoring, metadata and validation
are derived from it. docs/adding-a-setting.md walks through it.
"""

import reprlib
from collections.abc import Iterator
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Literal

from t2v.errors import ConfigError
from t2v.settings.visible_text import one_line


Kind = Literal["text", "whole", "number", "switch", "choice", "size"]
Surface = Literal["page", "api", "cli"]
SURFACES: tuple[Surface, ...] = ("page", "api", "cli")


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Everything that surfaces need to know about one setting.

    Args:
        label: its name on the page.
        help: what it does, one or two sentences without backticks; shown on the page, in the API's
            documentation and in `--help`.
        range: lowest and highest number; of sizes, the shortest and longest side in pixels.
        multiple: of which both sides of a size are.
        choices: what a choice may be.
        max_length: characters of a text.
        surfaces: where it can be set.
        option: of the command line, where that is not its name with dashes.
        is_advanced: the page shows it among the advanced settings.
        placeholder: shown in an empty text box.
    """

    name: str
    kind: Kind
    default: Any
    label: str
    help: str
    range: tuple[float, float] | None = None
    multiple: int = 1
    choices: tuple[str, ...] = ()
    max_length: int | None = None
    surfaces: tuple[Surface, ...] = SURFACES
    option: str | None = None
    is_advanced: bool = True
    placeholder: str = ""

    @property
    def is_required(self) -> bool:
        return self.default is MISSING


def setting(default: Any = MISSING, **declaration: Any) -> Any:
    """A dataclass field that declares a setting; `declaration` are the arguments of `Setting`."""
    declared = Setting(name="", default=default, **declaration)
    return field(default=default, metadata={"setting": declared})


def settings_of(config: Any) -> dict[str, Setting]:
    """The declared settings of a config class or object, by name, in order."""
    return {
        part.name: replace(part.metadata["setting"], name=part.name)
        for part in fields(config)
        if "setting" in part.metadata
    }


def check_settings(config: Any) -> None:
    """Checks every declared setting, and gives the values of JSON their types.

    Texts become what they read as, on one line.
    8.0 becomes 8 where a whole number is asked for, 3 becomes 3.0 where it is not, and a list of
    two sides becomes a tuple: JSON knows no difference.

    Raises:
        ConfigError: a value is out of range; the message names the range and the value.
    """
    for declared in settings_of(config).values():
        value = getattr(config, declared.name)
        object.__setattr__(config, declared.name, CHECKS[declared.kind](declared, value))


def check_text(declared: Setting, value: Any) -> str:
    """Text as it reads, without what is invisible: some of it changes how the rest is shown."""
    if not isinstance(value, str):
        raise ConfigError(f"{declared.name} must be text, got {type(value).__name__}")
    if not is_unicode(value):
        raise ConfigError(f"{declared.name} must be text in UTF-8, got bytes that are none")
    value = one_line(value)
    if declared.max_length is not None and len(value) > declared.max_length:
        raise ConfigError(
            f"{declared.name} must have at most {declared.max_length} characters, got {len(value)}"
        )
    return value


def check_whole(declared: Setting, value: Any) -> int:
    number = _check_number(declared, value, "a whole number")
    if int(number) != number:
        raise ConfigError(_out_of_range(declared, value, "a whole number"))
    return int(number)


def check_number(declared: Setting, value: Any) -> float:
    return float(_check_number(declared, value, "a number"))


def check_switch(declared: Setting, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{declared.name} must be true or false, got {brief(value)}")
    return value


def check_choice(declared: Setting, value: Any) -> str:
    if not isinstance(value, str) or value not in declared.choices:
        raise ConfigError(
            f"{declared.name} must be one of {', '.join(declared.choices)}, got {brief(value)}"
        )
    return value


def check_size(declared: Setting, value: Any) -> tuple[int, int] | None:
    """Height and width; None where that is the default: the size that the model learned."""
    if value is None and declared.default is None:
        return None
    low, high = declared.range or (1, 2**16)
    is_pair = isinstance(value, list | tuple) and len(value) == 2
    if not is_pair or not all(
        type(side) is int and low <= side <= high and side % declared.multiple == 0
        for side in value
    ):
        span = f"{low} to {high}"
        allowed = (
            f"{span} each"
            if declared.multiple == 1
            else f"multiples of {declared.multiple} from {span}"
        )
        raise ConfigError(f"{declared.name} must be [height, width], {allowed}, got {brief(value)}")
    height, width = value
    return height, width


CHECKS = {
    "text": check_text,
    "whole": check_whole,
    "number": check_number,
    "switch": check_switch,
    "choice": check_choice,
    "size": check_size,
}


def _check_number(declared: Setting, value: Any, what: str) -> int | float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    low, high = declared.range or (float("-inf"), float("inf"))
    if not is_number or not low <= value <= high:
        raise ConfigError(_out_of_range(declared, value, what))
    return value


def _out_of_range(declared: Setting, value: Any, what: str) -> str:
    low, high = declared.range or ("-inf", "inf")
    return f"{declared.name} must be {what} from {low} to {high}, got {brief(value)}"


def is_unicode(text: str) -> bool:
    """Whether text can be encoded: bytes of a command line that are not UTF-8 cannot."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def brief(value: object) -> str:
    """A wrong value as an error repeats it: its beginning, however large it is."""
    return reprlib.repr(value)


def on_surface(config: Any, surface: Surface) -> Iterator[Setting]:
    """The settings of a config class that can be set on a surface, in order."""
    return (one for one in settings_of(config).values() if surface in one.surfaces)
