"""The TOML file of a preset: reading it, and building what its tables describe."""

import re
import tomllib
from collections.abc import Set
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from t2v.errors import ConfigError, PresetError
from t2v.json_reader import decode
from t2v.settings.config import RefinerSettings
from t2v.settings.declaration import brief, settings_of
from t2v.settings.weight_source import WeightSource


Part = TypeVar("Part")


def read_values(path: Path, may_extend: bool = True) -> dict[str, Any]:
    """The values of a file, over those of the preset that it `extends`.

    A refiner of its own, with its sources and memory, replaces the other's.
    """
    try:
        values = tomllib.loads(decode(path.read_bytes()))
    except (OSError, ValueError) as error:
        raise PresetError(f"{path.name} cannot be read: {error}") from error
    if "extends" not in values:
        return values
    if not may_extend:
        raise PresetError(f"{path.name}: a preset that is extended must not extend another")
    extended = values.pop("extends")
    if not isinstance(extended, str) or not re.fullmatch(r"[\w-]+", extended):
        raise PresetError(f"{path.name}: extends must be the name of a preset, got {extended!r}")
    place = path.with_name(f"{extended}.toml")
    base = read_values(place, may_extend=False)
    base.pop("refined_memory", None)
    kept = [source for source in build_sources(place.name, base) if "refiner" not in source.files]
    sources = (*kept, *build_sources(path.name, values))
    return base | values | {"sources": sources}


def build_sources(place: str, values: dict[str, Any]) -> tuple[WeightSource, ...]:
    sources = values.get("sources", ())
    if not isinstance(sources, list | tuple):
        raise PresetError(f"{place}: sources must be a list of tables, got {brief(sources)}")
    return tuple(
        source
        if isinstance(source, WeightSource)
        else build(WeightSource, f"{place}, source {number}", source)
        for number, source in enumerate(sources, start=1)
    )


def build_refiner(file_name: str, values: Any) -> RefinerSettings:
    place = f"{file_name}, refiner"
    _check_table(place, values)
    declared = settings_of(RefinerSettings)
    required = {name for name, one in declared.items() if one.is_required}
    _check_keys(place, values.keys() - declared.keys(), required - values.keys())
    try:
        return RefinerSettings(**values)
    except ConfigError as error:
        raise PresetError(f"{file_name}: {error}") from error


def build(kind: type[Part], place: str, values: Any, **more: str) -> Part:
    """Validates a table of a file, and builds what it describes.

    Raises:
        PresetError: the first fault, in one sentence that names the key.
    """
    _check_table(place, values)
    _check_keys(place, values.keys() & more.keys(), set())
    try:
        return TypeAdapter(kind).validate_python(values | more)
    except ValidationError as error:
        faults = error.errors(include_url=False)
    wrong_keys: dict[str, set[str]] = {"unexpected_keyword_argument": set(), "missing": set()}
    for fault in faults:
        if len(fault["loc"]) == 1 and fault["type"] in wrong_keys:
            wrong_keys[fault["type"]].add(str(fault["loc"][0]))
    _check_keys(place, *wrong_keys.values())
    name = str(faults[0]["loc"][0])
    allowed = vars(kind)["__pydantic_fields__"][name].description
    raise PresetError(f"{place}: {name} must be {allowed}, got {brief(values[name])}")


def _check_table(place: str, values: Any) -> None:
    if not isinstance(values, dict):
        raise PresetError(f"{place} must be a table of settings, got {brief(values)}")


def _check_keys(place: str, unknown: Set[str], missing: Set[str]) -> None:
    for fault, keys in (("unknown", unknown), ("missing", missing)):
        if keys:
            raise PresetError(f"{place}: {fault} keys {', '.join(sorted(keys))}")
