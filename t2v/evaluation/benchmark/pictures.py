"""Pictures of a suite's videos: a contact sheet, and slices over time (X-T)."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw

from t2v.atomic import atomic_write
from t2v.evaluation.benchmark.folder import BenchmarkFolder, Frames, read_video
from t2v.evaluation.benchmark.plan import Case, Plan
from t2v.media.images import contact_sheet, resize


Picture = UInt8[np.ndarray, "_ _ 3"]  # of any size, also of another than the one it is made of
SHEET_PROMPTS, SHEET_FRAMES = 3, 12
NAME_WIDTH, LINE = 92, 14  # pixels: for the names of arms, and for a line of text
MAX_SIDE = 96  # of a picture on the sheet


def write_sheet(plan: Plan, folder: BenchmarkFolder, path: Path) -> None:
    """One row an arm, for the first prompts: frames at equal distances."""
    blocks = []
    for prompt in range(min(SHEET_PROMPTS, plan.num_prompts)):
        cases = [Case(arm, plan.num_chunks, prompt, 0) for arm in plan.arms]
        there = [case for case in cases if folder.video(case).exists()]
        if not there:
            continue
        blocks.append(title(plan.prompts.texts[prompt]))
        for case in there:
            blocks.append(beside_name(case.arm, sheet_row(read_video(folder.video(case)))))
    if blocks:
        write_picture(path, stack(blocks))


def sheet_row(video: Frames) -> Picture:
    times = np.linspace(0, len(video) - 1, SHEET_FRAMES).round().astype(int)
    frames = np.stack([video[time] for time in times])
    height, width = frames.shape[1:3]
    scale = min(1, MAX_SIDE / max(height, width))
    frames = resize(frames, (round(height * scale), round(width * scale)))
    return contact_sheet(frames, columns=SHEET_FRAMES)


def title(text: str) -> Picture:
    """A line of text, black on white; what the font does not have is left out."""
    words = text.encode("ascii", "ignore").decode()
    picture = Image.new("RGB", (max(1, 6 * len(words) + 8), LINE), "white")
    ImageDraw.Draw(picture).text((2, 1), words, fill="black")
    return np.asarray(picture)


def beside_name(name: str, picture: Picture) -> Picture:
    """The picture with a name on its left."""
    label = Image.new("RGB", (NAME_WIDTH, max(LINE, len(picture))), "white")
    ImageDraw.Draw(label).text((2, max(0, len(picture) // 2 - 6)), name, fill="black")
    height = label.height
    padded = np.full((height, picture.shape[1], 3), 255, np.uint8)
    padded[: len(picture)] = picture
    return np.concatenate([np.asarray(label), padded], axis=1)


def beside(columns: Sequence[tuple[str, Picture]], heading: Picture, gap: int = 8) -> Picture:
    """Pictures side by side with their names above them."""
    blocks = [stack([title(name), picture]) for name, picture in columns]
    height = max(len(block) for block in blocks)
    parts = []
    for block in blocks:
        padded = np.full((height, block.shape[1] + gap, 3), 255, np.uint8)
        padded[: len(block), : block.shape[1]] = block
        parts.append(padded)
    return stack([heading, np.concatenate(parts, axis=1)])


def stack(blocks: Sequence[Picture], gap: int = 3) -> Picture:
    """Pictures of any size one below the other on white."""
    width = max(block.shape[1] for block in blocks)
    rows = []
    for block in blocks:
        padded = np.full((len(block) + gap, width, 3), 255, np.uint8)
        padded[: len(block), : block.shape[1]] = block
        rows.append(padded)
    return np.concatenate(rows)


def write_picture(path: Path, picture: Picture) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as part:
        Image.fromarray(picture).save(part, format="PNG")
