"""Long videos from text: arguments in, words out. `python -m t2v COMMAND --help` says more."""

import argparse
import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from tempfile import NamedTemporaryFile

from tqdm import tqdm

from t2v import __version__
from t2v.config import BLENDINGS, LIMITS, SCHEDULERS, SIDES, fit_area
from t2v.errors import ConfigError, MediaError, T2VError
from t2v.events import Chunk, Event, Notice, StepDone
from t2v.presets import Preset, default_preset, find_preset, list_presets, named_preset


BLENDING_HELP = f"how the refiner joins its chunks: {', '.join(BLENDINGS)}"
MAX_PROPORTION = 4  # of a video's sides, for the refiner
MAX_FRAMES = 100_000


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0; 2 after one sentence about what is wrong; 130 after Ctrl-C."""
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options)
    except T2VError as error:
        print(f"t2v {options.command}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"t2v {options.command}: stopped", file=sys.stderr)
        return 130


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="t2v", description=__doc__)
    parser.add_argument("--version", action="version", version=f"longtake {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in (
        add_generate,
        add_refine,
        add_presets,
        add_download,
        add_evaluate,
        add_train,
    ):
        add(commands)
    return parser


def number(text: str) -> int | float:
    """8, 8.0, 1e9 or nan: whether it is allowed is for GenerationConfig to say."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"not a number: {text!r}") from None


def frame_size(text: str) -> tuple[int, int]:
    """320x576: whether it is allowed is for the preset to say."""
    match = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not match:
        raise argparse.ArgumentTypeError(f"not a size like 256x448: {text!r}")
    return int(match[1]), int(match[2])


def add_generate(commands) -> None:
    generate = commands.add_parser(
        "generate", help="make a video", description=run_generate.__doc__
    )
    generate.add_argument(
        "--prompt",
        required=True,
        help="what to show, in a few words; '0: one / 6: another / 9-12: a third' changes at these "
        "chunks, blending from 9 to 12",
    )
    generate.add_argument("--negative-prompt", help="what to keep away from")
    generate.add_argument("--preset", help="the stack to use; `t2v presets` lists them")
    for option, name, what in (
        ("--chunks", "num_chunks", "the first has 16 frames, every other adds 8"),
        ("--seed", "seed", "the same seed and settings give the same video"),
        ("--steps", "num_inference_steps", "denoising steps a chunk"),
        ("--guidance-scale", "guidance_scale", "how strictly the prompt is followed; 1 is off"),
        ("--apm-strength", "apm_strength", "of the long-term memory; 0 is off"),
    ):
        low, high = LIMITS[name]
        help_text = f"{what} ({low} to {high})"
        generate.add_argument(option, dest=name, type=number, metavar="N", help=help_text)
    generate.add_argument(
        "--reseed",
        metavar="'6: N / 9: N'",
        help="other seeds from these chunks on, which count from 0",
    )
    generate.add_argument("--scheduler", help=", ".join(SCHEDULERS))
    generate.add_argument(
        "--no-cam",
        dest="use_cam",
        action="store_const",
        const=False,
        help="without the short-term memory: chunks do not know each other",
    )
    generate.add_argument(
        "--refine",
        action="store_const",
        const=True,
        help="also write a sharper video, NAME-refined.mp4 beside NAME.mp4",
    )
    generate.add_argument("--blending", help=BLENDING_HELP)
    generate.add_argument(
        "--size",
        type=frame_size,
        metavar="HEIGHTxWIDTH",
        help="of the frames that are drawn, multiples of 64 (default: what the model learned)",
    )
    generate.add_argument(
        "--memory",
        help="of the GPU: full, balanced or low (default: the fastest that fits)",
    )
    generate.add_argument("--out", type=Path, required=True, help="the .mp4 file to write")
    generate.add_argument("--force", action="store_true", help="overwrite the file")
    generate.set_defaults(run=run_generate)


def run_generate(options) -> int:
    """Makes one video. Ctrl-C keeps the finished chunks as a playable file."""
    preset = find_preset(options.preset) if options.preset else default_preset()[0]
    if options.size:
        preset = preset.at_size(*options.size)
    names = ("prompt", "negative_prompt", *LIMITS, "reseed", "scheduler", "use_cam", "refine")
    config = preset.config(**given(options, (*names, "blending")))
    check_output("--out", options.out, ".mp4", options.force)
    refined_out = options.out.with_stem(f"{options.out.stem}-refined")
    if config.refine:
        refiner_settings = preset.find_refiner()
        check_output("--out", refined_out, ".mp4", options.force)

    from t2v.media.images import resize
    from t2v.media.video import VideoWriter
    from t2v.pipeline.refinement import refine
    from t2v.pipeline.refiner import load_refiner
    from t2v.pipeline.stack import load_stack
    from t2v.pipeline.streaming_t2v import stream

    metadata = {**asdict(config), "preset": preset.name, "version": __version__}
    stack = load_stack(preset, memory=options.memory, refine=config.refine)
    refiner = load_refiner(preset, stack=stack) if config.refine else None
    interrupted = False
    with ExitStack() as files:
        writer = files.enter_context(VideoWriter(options.out, fps=preset.fps, metadata=metadata))
        writers = [writer]

        def preview():
            total = config.num_chunks, config.num_inference_steps
            for chunk in with_progress(stream(stack, config), "chunk", *total):
                writer.write(resize(chunk.frames, preset.display_size))
                yield chunk.frames

        try:
            if refiner is None:
                for _ in preview():
                    pass
            else:
                refined_writer = VideoWriter(refined_out, fps=preset.fps, metadata=metadata)
                writers.append(files.enter_context(refined_writer))
                total = refiner_settings.num_chunks(config.num_frames)
                events = refine(refiner, config, preview())
                num_steps = refiner_settings.num_inference_steps
                for chunk in with_progress(events, "refined chunk", total, num_steps):
                    refined_writer.write(resize(chunk.frames, refiner_settings.display_size))
        except KeyboardInterrupt:
            interrupted = True
    return report(writers, interrupted)


def given(options, names: tuple[str, ...]) -> dict:
    """The settings that were said on the command line."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def report(writers: list, interrupted: bool) -> int:
    """Says which files there are now. Returns the exit status."""
    written = [writer for writer in writers if writer.num_frames]
    if not written:
        print("stopped before the first chunk was finished: no file was written", file=sys.stderr)
        return 130
    for writer in written:
        print(f"{writer.path}: {writer.num_frames} frames, {writer.seconds:.1f} s")
    return 130 if interrupted else 0


def with_progress(
    events: Iterator[Event], what: str, num_chunks: int | None, num_steps: int
) -> Iterator[Chunk]:
    """Passes chunks on, and shows steps, time left and notices on the terminal."""
    total = num_chunks and num_chunks * num_steps
    with tqdm(total=total, unit="step", disable=None) as bar:
        for event in events:
            match event:
                case Notice(text):
                    bar.write(text, file=sys.stderr)
                case StepDone(_, chunk, step, _):
                    bar.set_description(f"{what} {chunk + 1}/{num_chunks or '?'}", refresh=False)
                    bar.set_postfix_str(f"step {step}/{num_steps}", refresh=False)
                    bar.update()
                case Chunk():
                    yield event


def add_refine(commands) -> None:
    refine = commands.add_parser(
        "refine", help="make a video sharper", description=run_refine.__doc__
    )
    refine.add_argument("video", type=Path, help="the video to read")
    refine.add_argument("--prompt", required=True, help="what it shows, in a few words")
    refine.add_argument("--negative-prompt", help="what to keep away from")
    refine.add_argument("--preset", help="the stack to use; `t2v presets` lists them")
    low, high = LIMITS["seed"]
    refine.add_argument(
        "--seed", type=number, metavar="N", help=f"the same seed, the same video ({low} to {high})"
    )
    refine.add_argument("--blending", help=BLENDING_HELP)
    refine.add_argument("--out", type=Path, required=True, help="the .mp4 file to write")
    refine.add_argument("--force", action="store_true", help="overwrite the file")
    refine.set_defaults(run=run_refine)


def run_refine(options) -> int:
    """Makes any video sharper: as many frames, as many a second. Sound is not kept."""
    from t2v.media.video import VideoWriter, iter_pieces, probe

    preset = find_preset(options.preset) if options.preset else default_preset()[0]
    config = preset.config(
        **given(options, ("prompt", "negative_prompt", "seed", "blending")), refine=True
    )
    settings = preset.find_refiner()
    video = probe(options.video)
    check_input(options.video, video)
    check_output("--out", options.out, ".mp4", options.force)
    if options.out.exists() and options.out.samefile(options.video):
        raise MediaError("--out is the video that is read; give another name")

    from t2v.media.images import resize
    from t2v.pipeline.refinement import refine
    from t2v.pipeline.refiner import load_refiner
    from t2v.pipeline.streaming_t2v import prompt_notices

    refiner = load_refiner(preset)
    for notice in prompt_notices(preset.name, refiner.text_encoder, config):
        print(notice.text, file=sys.stderr)
    size = fit_area(video.size, settings.display_size, multiple=2)
    metadata = {**asdict(config), "preset": preset.name, "version": __version__}
    total = video.num_frames and settings.num_chunks(video.num_frames)
    interrupted = False
    with VideoWriter(options.out, fps=video.fps, metadata=metadata) as writer:
        events = refine(refiner, config, iter_pieces(options.video, settings.overlap))
        try:
            for chunk in with_progress(events, "chunk", total, settings.num_inference_steps):
                writer.write(resize(chunk.frames, size))
        except KeyboardInterrupt:
            interrupted = True
    return report([writer], interrupted)


def check_input(path: Path, video) -> None:
    """Says which videos the refiner takes.

    Raises:
        MediaError: this one is too small, too large, too narrow or too long.
    """
    (low, high), (height, width) = SIDES, video.size
    is_size = low <= min(video.size) and max(video.size) <= high
    if not is_size or max(video.size) > MAX_PROPORTION * min(video.size):
        raise MediaError(
            f"{path.name} must have sides of {low} to {high} pixels, the longer one at most "
            f"{MAX_PROPORTION} times the shorter one, got {width}x{height}"
        )
    if video.num_frames and video.num_frames > MAX_FRAMES:
        raise MediaError(
            f"{path.name} must have at most {MAX_FRAMES} frames, got {video.num_frames}"
        )


def check_output(option: str, path: Path, suffix: str, force: bool) -> None:
    """Says before the work what would go wrong after it.

    Raises:
        ConfigError: the name does not end as it should.
        MediaError: the file exists, or its folder takes no files.
    """
    if path.suffix.lower() != suffix:
        raise ConfigError(f"{option} must end in {suffix}, got {str(path)!r}")
    try:
        if path.is_dir():
            raise MediaError(f"{path} is a folder")
        if path.exists() and not force:
            raise MediaError(f"{path} exists; --force overwrites it")
        if not path.parent.is_dir():
            raise MediaError(f"the folder {path.parent} does not exist")
        with NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}."):
            pass
    except OSError as error:
        raise MediaError(f"cannot write to {path}: {error.strerror}") from error


def add_presets(commands) -> None:
    presets = commands.add_parser(
        "presets", help="list the stacks", description=run_presets.__doc__
    )
    presets.set_defaults(run=run_presets)


def run_presets(options) -> int:
    """Lists the stacks, what they need, and whether they can run here."""
    for preset in list_presets().values():
        print(f"{preset.name}: {preset.title}")
        print(f"    {preset.unavailable or 'installed'}")
        print(f"    {preset.needs}")
        print(f"    refiner: {preset.refiner_unavailable or 'installed'}")
        print(f"    {preset.description}")
        print(f"    defaults: {describe_defaults(preset)}")
        for prompt in preset.examples:
            print(f"    example: {prompt}")
    return 0


def describe_defaults(preset: Preset) -> str:
    return ", ".join(f"{name} {value}" for name, value in preset.defaults.items())


def add_download(commands) -> None:
    download = commands.add_parser(
        "download", help="install the weights of a stack", description=run_download.__doc__
    )
    download.add_argument("preset", help="the stack; `t2v presets` lists them")
    download.add_argument(
        "--weights-dir",
        type=Path,
        help="a folder of files that are here already: NAME, REPOSITORY/NAME, or "
        "OWNER/REPOSITORY/NAME in it are not downloaded",
    )
    download.add_argument("--offline", action="store_true", help="only with files that are here")
    download.add_argument(
        "--no-refiner",
        dest="refiner",
        action="store_false",
        help="without the refiner; the same command without this option adds it later",
    )
    download.add_argument(
        "--dtype",
        default="float16",
        help="float16, bfloat16 or float32: how weights are kept, and what the GPU computes in "
        "(default: %(default)s)",
    )
    download.add_argument("--force", action="store_true", help="even if they are installed")
    download.set_defaults(run=run_download)


def run_download(options) -> int:
    """Downloads weights from their public homes, checks them and converts them to safetensors.
    Stopped at any moment, the same command goes on from there. HF_HOME says where downloads go."""
    preset = named_preset(options.preset)

    from t2v.weights.install import install

    install(
        preset,
        weights_dir=options.weights_dir,
        offline=options.offline,
        refiner=options.refiner,
        dtype=options.dtype,
        force=options.force,
    )
    return 0


def add_evaluate(commands) -> None:
    evaluate = commands.add_parser(
        "evaluate", help="measure a stack", description=run_evaluate.__doc__
    )
    evaluate.add_argument("--preset", default="shapes", help="only shapes knows its own truth")
    evaluate.add_argument("--prompts", type=int, default=64, help="held-out prompts (at least 4)")
    evaluate.add_argument("--out", type=Path, help="a JSON file for the table")
    evaluate.add_argument("--sheet", type=Path, help="a PNG with 16 prompts x 12 frames")
    evaluate.set_defaults(run=run_evaluate)


def run_evaluate(options) -> int:
    """Measures what samples show against what was asked, with 95 % intervals and real controls."""
    preset = find_preset(options.preset)
    for option, path, suffix in (
        ("--out", options.out, ".json"),
        ("--sheet", options.sheet, ".png"),
    ):
        if path:
            check_output(option, path, suffix, force=True)

    from t2v.evaluation import evaluate, format_table

    report = evaluate(preset, options.prompts, options.sheet)
    print(format_table(report))
    if options.out:
        options.out.write_text(json.dumps(report, indent=1) + "\n")
    return 0


def add_train(commands) -> None:
    train = commands.add_parser(
        "train", help="train the shapes stack from nothing", description=run_train.__doc__
    )
    train.add_argument("--out", type=Path, default=Path("assets/shapes"), help="folder of weights")
    train.add_argument(
        "--work", type=Path, default=Path("training"), help="folder of checkpoints, logs, samples"
    )
    train.add_argument("--until", help="stop after this stage (default: the last)")
    train.add_argument(
        "--steps", nargs="*", default=[], metavar="STAGE=N", help="other numbers of steps"
    )
    train.add_argument(
        "--processes", type=int, help="that train together (1 to 4; default: one a core)"
    )
    train.set_defaults(run=run_train)


def run_train(options) -> int:
    """Rebuilds the embedded stack. Stopped at any moment, the same command goes on from there."""
    from t2v.training.recipe import num_training_processes, train, training_steps

    num_processes = num_training_processes(options.processes)
    steps, until = training_steps(options.steps, options.until)
    for folder in (options.out, options.work):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise MediaError(f"cannot write to {folder}: {error.strerror}") from error
    train(options.out, options.work, steps, num_processes, until)
    return 0
