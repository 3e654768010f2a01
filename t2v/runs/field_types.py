"""Checks values that were read from files against the annotations of their dataclass."""

from dataclasses import fields
from math import isfinite
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin


MAX_NUMBER = 2**53  # of counts and times in files: larger ones are damage


def check_fields(value: Any) -> None:
    """Checks every field of a dataclass. Whole numbers count something: none is negative.

    Raises:
        TypeError: a field does not hold what its annotation says.
    """
    for part in fields(value):
        held = getattr(value, part.name)
        if not fits(held, part.type):
            raise TypeError(f"{part.name} cannot be {type(held).__name__} {str(held)[:40]!r}")


def fits(value: Any, hint: Any) -> bool:
    """Whether a value is what an annotation says."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return isinstance(value, str) and value in parts
    if origin in (Union, UnionType):
        return any(fits(value, part) for part in parts)
    if origin in (tuple, dict):
        return isinstance(value, origin) and _fit_all(value, parts)
    if hint in (int, float):
        is_number = type(value) is int or (type(value) is hint and isfinite(value))
        return is_number and 0 <= value < MAX_NUMBER
    return isinstance(value, hint)


def _fit_all(value: tuple[Any, ...] | dict[Any, Any], parts: tuple[Any, ...]) -> bool:
    if isinstance(value, dict):
        return all(fits(key, parts[0]) and fits(item, parts[1]) for key, item in value.items())
    if parts[-1] is ...:
        return all(fits(item, parts[0]) for item in value)
    return len(value) == len(parts) and all(map(fits, value, parts))


def is_file_name(path: Path | str) -> bool:
    """Whether this is the name of a file and no path to elsewhere."""
    return isinstance(path, str) and path not in ("", ".", "..") and not {*path} & {*"/\\\0"}
