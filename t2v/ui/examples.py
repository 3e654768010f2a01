"""Examples: prompts of a preset, with pictures of what they make, and one video for the first view.

The pictures are in assets/examples/PRESET/, if somebody has made them with docs/examples.py.
`examples.json` there has the settings of each: the same settings make the same video.
"""

import json
from base64 import b64encode
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from t2v.errors import T2VError
from t2v.provenance import Provenance
from t2v.resources import bundled
from t2v.settings.config import GenerationConfig
from t2v.settings.presets import Preset
from t2v.ui.labels import duration, escaped
from t2v.ui.texts.catalogue import tr, tr_message


EXAMPLES = bundled() / "assets" / "examples"
SCHEDULE = (
    "The prompt can change during the video: `0: {first} / 6: {second}` changes it at chunk 6. "
    "Chunks count from 0."
)
TYPES = {".webp": "image/webp", ".mp4": "video/mp4"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One prompt, and how its picture was made.

    Args:
        config: None if there is no picture.
        picture, moving: its first frame, and a picture that moves.
        video: the whole of it; None if there is only a picture.
        seconds: that it took; depends on the machine.
        machine: that made it and nothing else, in words; "" if it had other work too.
    """

    prompt: str
    config: GenerationConfig | None = None
    picture: Path | None = None
    moving: Path | None = None
    video: Path | None = None
    seconds: float = 0.0
    machine: str = ""


@cache
def examples_of(
    name: str, prompts: tuple[str, ...], folder: Path = EXAMPLES
) -> tuple[Example, ...]:
    """The examples of a preset, in the order of its prompts. Reads a file.

    Prompts without a picture, with a part of it missing, or with settings that this version
    refuses, are plain text.
    """
    made = read_examples(folder / name)
    return tuple(made.get(prompt, Example(prompt=prompt)) for prompt in prompts)


def read_examples(folder: Path) -> dict[str, Example]:
    """The examples that docs/examples.py has made, by prompt; none if there is no such folder."""
    try:
        values = json.loads((folder / "examples.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    made = {}
    for one in values["examples"]:
        try:
            config = Provenance.from_json(one["settings"]).config
        except T2VError:
            continue
        names = [one[kind] for kind in ("picture", "moving", "video") if kind in one]
        if not all((folder / name).is_file() for name in names):
            continue
        made[config.prompt] = Example(
            prompt=config.prompt,
            config=config,
            picture=folder / one["picture"],
            moving=folder / one["moving"],
            video=folder / one["video"] if "video" in one else None,
            seconds=one["seconds"],
            machine=values["machine"],
        )
    return made


def preset_examples(preset: Preset) -> tuple[Example, ...]:
    return examples_of(preset.name, preset.examples)


def examples_html(preset: Preset) -> str:
    """The examples as buttons. A click on one with a picture makes its video."""
    examples = preset_examples(preset)
    has_pictures = any(example.picture for example in examples)
    title = tr("Examples: one click makes the video") if has_pictures else tr("Examples")
    buttons = "".join(
        f'<li><button type="button" data-index="{index}"{" data-made" if example.config else ""} '
        f'title="{escaped(example.prompt)}">{pictures(example)}'
        f"{words(example)}</button></li>"
        for index, example in enumerate(examples)
    )
    kind = "pictures" if has_pictures else "texts"
    return (
        f'<p class="label">{title}</p>'
        f'<ul class="examples {kind}" data-preset="{escaped(preset.name)}">{buttons}</ul>'
    )


def pictures(example: Example) -> str:
    """Two <img>: one that stands, and one that moves while it is pointed at."""
    if example.picture is None or example.moving is None:
        return ""
    return (
        f'<i><img alt="{escaped(example.prompt)}" src="{data_address(example.picture)}">'
        f'<img alt="" class="moving" src="{data_address(example.moving)}"></i>'
    )


def words(example: Example) -> str:
    """The prompt under or beside the picture, whose alternative text it is."""
    hidden = ' aria-hidden="true"' if example.picture else ""
    return f"<span{hidden}>{escaped(example.prompt)}</span>"


def describe_schedule(preset: Preset) -> str:
    """How a prompt changes during a video, in words that the preset knows: those of examples."""
    prompts = sorted(preset.examples, key=len)
    first, second = prompts[:2] if len(prompts) > 1 else ("a red car", "a blue car")
    return tr(SCHEDULE, first=first, second=second)


def showcase(preset: Preset) -> str:
    """A finished video for the screen before there is a run; "" if the preset has none."""
    example = next((one for one in preset_examples(preset) if one.video), None)
    if example is None or example.video is None:
        return ""
    name = tr("Example video: {prompt}", prompt=example.prompt)
    made = tr("Made by the {preset} model.", preset=preset.name)
    if example.machine:
        made = tr(
            "Made by the {preset} model in {time} on {machine}.",
            preset=preset.name,
            time=duration(example.seconds),
            machine=tr_message(example.machine),
        )
    return (
        '<div class="showcase over-player">'
        f'<video src="{data_address(example.video)}" autoplay muted loop playsinline controls '
        f'controlslist="nodownload nofullscreen noremoteplayback" disablepictureinpicture '
        f'aria-label="{escaped(name)}"></video>'
        f"<p><b>{tr('Example')}</b> “{escaped(example.prompt)}” "
        f"<span>{escaped(made)}</span></p></div>"
    )


def data_address(path: Path) -> str:
    """A file as a part of the page: it needs no request, and no path of this machine."""
    return f"data:{TYPES[path.suffix]};base64,{_encoded(path)}"


@cache
def _encoded(path: Path) -> str:
    return b64encode(path.read_bytes()).decode()
