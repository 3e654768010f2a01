"""Presets: which weights, which sizes, which defaults. One TOML file a stack, in `presets/`."""

import os
import re
import tomllib
from dataclasses import MISSING, dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any

from t2v.config import DRAWN_MULTIPLE, GenerationConfig, RefinerSettings, fit_area
from t2v.errors import ConfigError, PresetError


ROOT = Path(__file__).resolve().parent.parent
PRESETS = ROOT / "presets"
DEFAULT_KEYS = {field.name for field in fields(GenerationConfig)} - {"prompt"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A public home of files that a preset's weights are made of."""

    repo: str  # on huggingface.co
    revision: str  # a commit; or a branch, whose commit is recorded at the first download
    licence: str
    gigabytes: float  # to download
    installed_gigabytes: float  # what is kept of it, converted to half precision
    files: dict[str, tuple[str, ...]]  # what for -> names; the first one that is there is taken
    sha256: dict[str, str] = field(default_factory=dict)  # name -> digest, if known beforehand

    @property
    def page(self) -> str:
        return f"https://huggingface.co/{self.repo}"

    @property
    def is_pinned(self) -> bool:
        """Whether its revision is a commit, which never changes."""
        return re.fullmatch("[0-9a-f]{40}", self.revision) is not None

    @property
    def is_refiner(self) -> bool:
        """Whether it can be left out: the preset then makes videos, and does not refine them."""
        return any(use.startswith("refiner") for use in self.files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One stack and how to run it by default."""

    name: str
    title: str  # one line
    description: str  # what it shows and what it needs, a few sentences
    weights: str  # folder, from the repository's root
    frame_size: tuple[int, int]  # height, width of what the model draws, in pixels
    display_size: tuple[int, int]  # height, width of the video files
    fps: int
    examples: tuple[str, ...]  # prompts
    defaults: dict[str, Any]  # settings that differ from GenerationConfig's own
    sources: tuple[Source, ...] = ()  # where `t2v download` gets the weights; none are bundled ones
    needs_gpu: bool = False  # for speeds that one can wait for
    refiner: RefinerSettings | None = None
    refiner_weights: str = "refiner"  # folder in `weights`

    @property
    def weights_folder(self) -> Path:
        return ROOT / self.weights

    @property
    def refiner_folder(self) -> Path:
        return self.weights_folder / self.refiner_weights

    @property
    def download_command(self) -> str | None:
        """The one command that installs the weights; None if they are bundled."""
        return f"python -m t2v download {self.name}" if self.sources else None

    @property
    def needs(self) -> str:
        """What it takes to run this preset, in one sentence."""
        if not self.sources:
            return "Bundled: needs no download and no graphics card."
        gigabytes = sum(source.gigabytes for source in self.sources)
        installed = sum(source.installed_gigabytes for source in self.sources)
        licences = ", ".join(dict.fromkeys(source.licence for source in self.sources))
        return (
            f"Needs {'a GPU, ' if self.needs_gpu else ''}a download of about {gigabytes:.0f} GB "
            f"and {installed:.0f} GB of disk to keep; licences: {licences}."
        )

    @property
    def unavailable(self) -> str | None:
        """Why this preset cannot run here, in one sentence; None if it can."""
        if (self.weights_folder / "unet").is_dir():
            return None
        if self.download_command:
            return f"Its weights are not installed; `{self.download_command}` gets them."
        return f"Its weights are not in {self.weights}; README.md, 'Weights', says how to get them."

    @property
    def refiner_unavailable(self) -> str | None:
        """Why this preset cannot refine here, in one sentence; None if it can."""
        if self.refiner is None:
            return f"The {self.name} preset has no refiner."
        if not (self.refiner_folder / "config.json").is_file():
            if any(source.is_refiner for source in self.sources):
                return (
                    "The weights of its refiner are not installed; "
                    f"`{self.download_command}` gets them."
                )
            return f"The weights of its refiner are not in {self.weights}/{self.refiner_weights}."
        return None

    def find_refiner(self) -> RefinerSettings:
        """How its refiner runs.

        Raises:
            PresetError: it has none, or cannot run it here.
        """
        if self.refiner_unavailable:
            raise PresetError(f"preset {self.name} cannot refine: {self.refiner_unavailable}")
        return self.refiner

    def at_size(self, frame_size: tuple[int, int] | None) -> "Preset":
        """The same preset with frames of another size; its video files grow in proportion.

        Args:
            frame_size: height, width; None is the preset's own.
        """
        if frame_size is None:
            return self
        display_size = tuple(
            side * shown // drawn
            for side, shown, drawn in zip(
                frame_size, self.display_size, self.frame_size, strict=True
            )
        )
        refiner = self.refiner
        if refiner:
            shown = fit_area(frame_size, refiner.display_size, multiple=2)
            refiner = replace(refiner, display_size=shown)
        return replace(self, frame_size=frame_size, display_size=display_size, refiner=refiner)

    @property
    def other_sizes(self) -> tuple[tuple[int, int], ...]:
        """Sizes to offer beside its own: about 16:9, lying and standing."""
        height, width = self.frame_size
        long = DRAWN_MULTIPLE * max(1, round(width * 16 / 9 / DRAWN_MULTIPLE))
        return (height, long), (long, height)

    def config(self, **settings: Any) -> GenerationConfig:
        """The preset's defaults, with `settings` over them.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        if unknown := sorted(settings.keys() - DEFAULT_KEYS - {"prompt"}):
            raise ConfigError(f"unknown settings {', '.join(unknown)}")
        return GenerationConfig(**{**self.defaults, **settings})


def load_preset(path: Path) -> Preset:
    """Reads one preset.

    Raises:
        PresetError: the file is no TOML, or has missing, unknown or bad values, which it names.
    """
    values = _read_values(path)
    _check_keys(path.name, values, Preset)
    _check_kinds(path.name, values, KINDS)
    if unknown := sorted(values["defaults"].keys() - DEFAULT_KEYS):
        raise PresetError(f"{path.name}: unknown defaults {', '.join(unknown)}")
    for name in ("frame_size", "display_size", "examples"):
        values[name] = tuple(values[name])
    _check_sources(path.name, values)
    values["sources"] = tuple(map(_new_source, values.get("sources", ())))
    try:
        if "refiner" in values:
            _check_keys(f"{path.name}, refiner", values["refiner"], RefinerSettings)
            values["refiner"] = RefinerSettings(**values["refiner"])
        preset = Preset(name=path.stem, **values)
        for prompt in preset.examples:
            preset.config(prompt=prompt)
    except ConfigError as error:
        raise PresetError(f"{path.name}: {error}") from error
    return preset


def _read_values(path: Path, may_extend: bool = True) -> dict[str, Any]:
    """What the file says, over what the preset says that it `extends`: the same stack with another
    refiner, whose sources come in the place of the other's."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PresetError(f"{path.name} cannot be read: {error}") from error
    if "extends" not in values:
        return values
    if not may_extend:
        raise PresetError(f"{path.name}: a preset that is extended must not extend another")
    extended = values.pop("extends")
    if not _is_text(extended) or not re.fullmatch(r"[\w-]+", extended):
        raise PresetError(f"{path.name}: extends must be the name of a preset, got {extended!r}")
    place = path.with_name(f"{extended}.toml")
    base = _read_values(place, may_extend=False)
    _check_sources(place.name, base)
    shared = [source for source in base.get("sources", ()) if "refiner" not in source["files"]]
    return base | values | {"sources": [*shared, *values.get("sources", ())]}


def _check_sources(place: str, values: dict[str, Any]) -> None:
    _check_kinds(place, values, {"sources": KINDS["sources"]})
    for number, source in enumerate(values.get("sources", ()), start=1):
        _check_keys(f"{place}, source {number}", source, Source)
        _check_kinds(f"{place}, source {number}", source, SOURCE_KINDS)


def _new_source(values: dict[str, Any]) -> Source:
    files = {use: tuple(names) for use, names in values["files"].items()}
    return Source(**values | {"files": files})


def _check_keys(place: str, values: Any, kind: type) -> None:
    if not isinstance(values, dict):
        raise PresetError(f"{place} must be a table of settings, got {values!r}")
    known = {field.name for field in fields(kind)} - {"name"}
    needed = known - {
        field.name
        for field in fields(kind)
        if field.default is not MISSING or field.default_factory is not MISSING
    }
    for fault, keys in (("unknown", values.keys() - known), ("missing", needed - values.keys())):
        if keys:
            raise PresetError(f"{place}: {fault} keys {', '.join(sorted(keys))}")


def _check_kinds(place: str, values: dict[str, Any], kinds: dict) -> None:
    for name, (is_right, what) in kinds.items():
        if name in values and not is_right(values[name]):
            raise PresetError(f"{place}: {name} must be {what}, got {values[name]!r}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_count(value: Any) -> bool:
    return type(value) is int and value > 0


def _is_size(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(_is_count(side) for side in value)


def _is_amount(value: Any) -> bool:
    return type(value) in (int, float) and value >= 0


def _is_table_of_names(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(names, list) and names and all(map(_is_file_name, names))
        for names in value.values()
    )


def _is_file_name(value: Any) -> bool:
    """A file inside a repository: nothing that could lead out of a folder."""
    return _is_text(value) and not value.startswith("/") and ".." not in value.split("/")


def _is_table_of_digests(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(digest, str) and re.fullmatch("[0-9a-f]{64}", digest)
        for digest in value.values()
    )


KINDS = {
    "title": (_is_text, "text"),
    "description": (_is_text, "text"),
    "weights": (_is_text, "a folder"),
    "frame_size": (_is_size, "[height, width]"),
    "display_size": (_is_size, "[height, width]"),
    "fps": (_is_count, "a whole number from 1"),
    "examples": (lambda value: isinstance(value, list) and bool(value), "a list of prompts"),
    "defaults": (lambda value: isinstance(value, dict), "a table of settings"),
    "sources": (lambda value: isinstance(value, list), "a list of tables"),
    "refiner_weights": (_is_file_name, "the name of a folder in weights"),
    "needs_gpu": (lambda value: isinstance(value, bool), "true or false"),
}
SOURCE_KINDS = {
    "repo": (lambda value: _is_text(value) and value.count("/") == 1, "owner/name"),
    "revision": (_is_text, "a commit or branch"),
    "licence": (_is_text, "text"),
    "gigabytes": (_is_amount, "a number from 0"),
    "installed_gigabytes": (_is_amount, "a number from 0"),
    "files": (_is_table_of_names, "a table of lists of file names"),
    "sha256": (_is_table_of_digests, "a table of SHA-256 digests"),
}


@cache
def list_presets() -> dict[str, Preset]:
    """All presets by name."""
    return {path.stem: load_preset(path) for path in sorted(PRESETS.glob("*.toml"))}


def named_preset(name: str) -> Preset:
    """The preset of that name, whether or not it can run here.

    Raises:
        PresetError: there is none; the message names those there are.
    """
    presets = list_presets()
    if name not in presets:
        raise PresetError(f"preset must be one of {', '.join(presets)}, got {name!r}")
    return presets[name]


def find_preset(name: str) -> Preset:
    """The preset of that name, able to run here.

    Raises:
        PresetError: there is none, or it cannot run; the message says what to do.
    """
    preset = named_preset(name)
    if preset.unavailable:
        raise PresetError(f"preset {name} cannot run here: {preset.unavailable}")
    return preset


def default_preset() -> tuple[Preset, str]:
    """The preset to begin with, and why it was chosen, in a sentence or two for the page.

    `modelscope`, the paper's stack, where its weights and a GPU are; else `shapes`.
    """
    paper = list_presets().get("modelscope")
    if paper and not paper.unavailable and has_gpu():
        return paper, "The paper's own model is used: it is installed, and there is a GPU."
    reason = "The shapes model is used: it is bundled and runs on any machine."
    if paper and not paper.unavailable:
        reason += " The paper's own model is installed, but there is no GPU to run it on."
    elif paper and has_gpu():
        reason += f" `{paper.download_command}` gets the paper's own model."
    return find_preset("shapes"), reason


def has_gpu() -> bool:
    """Whether the machine has a GPU that may be used; asked without loading torch."""
    if os.environ.get("CUDA_VISIBLE_DEVICES", "0") in ("", "-1"):
        return False
    # NVIDIA's driver; the same in WSL; AMD's.
    return any(Path("/dev").glob("nvidia[0-9]*")) or any(
        Path("/dev", name).exists() for name in ("dxg", "kfd")
    )
