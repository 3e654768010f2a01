"""The app: python app.py, then open the address it prints. Models are loaded by its worker."""

import argparse
import atexit
import logging
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

from t2v.cli.arguments import acceleration, add_acceleration
from t2v.config import GenerationConfig
from t2v.errors import T2VError
from t2v.events import Event
from t2v.presets import default_preset, find_preset, list_presets, named_preset
from t2v.state import Start
from t2v.ui.access import SPACE_HOST, check_mcp, choose_access, describe_login, in_a_space
from t2v.ui.zero_gpu import on_zero_gpu, with_lent_gpu


def main(arguments: list[str] | None = None) -> int:
    """Returns the exit status: 0, or 2 after one sentence about what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, help="default: the first free one from 7860")
    parser.add_argument(
        "--share",
        action="store_true",
        help="make a public link for a week, with a generated password and caps for guests",
    )
    parser.add_argument("--login", action="store_true", help="ask for a generated password")
    parser.add_argument(
        "--no-login", action="store_true", help="let everybody in who can reach --host"
    )
    parser.add_argument("--mcp", action="store_true", help="also serve tools to AI programs")
    parser.add_argument("--preset", help="chosen at first (default: the best that can run here)")
    parser.add_argument("--runs-dir", type=Path, default=Path("runs"), help="default: %(default)s")
    add_acceleration(parser)
    parser.add_argument("--disk-quota", type=float, metavar="GB", help="of --runs-dir (guests: 20)")
    parser.add_argument("--max-per-visitor", type=int, help="videos at once (guests: 2)")
    parser.add_argument(
        "--no-resume", action="store_true", help="leave videos alone that were cut off"
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    for name in ("disk_quota", "max_per_visitor"):
        value = getattr(options, name)
        if value is not None and not value > 0:
            parser.error(f"--{name.replace('_', '-')} must be more than 0, got {value:g}")
    if options.port is not None and not 0 < options.port < 65536:
        parser.error(f"--port must be from 1 to 65535, got {options.port}")
    host = options.host or (SPACE_HOST if in_a_space() else "127.0.0.1")
    try:
        open_fast = partial(open_stream, acceleration=acceleration(options))
        access = choose_access(
            host,
            share=options.share,
            login=options.login,
            no_login=options.no_login or (in_a_space() and not (options.login or options.share)),
        )
        chosen, reason = default_preset()
        if options.preset:
            chosen, reason = find_preset(options.preset), ""
        if options.mcp:
            check_mcp()
    except T2VError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2

    open_preset, presets = open_fast, list_presets()
    if on_zero_gpu():
        open_preset = slice_opener()
        presets = {name: replace(preset, refiner=None) for name, preset in presets.items()}

    from t2v.jobs.worker import Worker
    from t2v.origin import hash_weights
    from t2v.ui.launch import can_stream, launch_page
    from t2v.ui.page import build_page

    # Asked to end, the app ends as after Ctrl-C: the video in the making goes on at the next start.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    quota = options.disk_quota or access.quota_gigabytes
    worker = Worker(
        open_preset,
        options.runs_dir,
        preload=chosen.name,
        max_waiting=access.max_waiting,
        max_per_visitor=options.max_per_visitor or access.max_per_visitor,
        quota_bytes=quota and int(quota * 1e9),
        resumes=not options.no_resume,
        find_weights=lambda preset: hash_weights(named_preset(preset).weights_folder),
    )
    page = build_page(
        worker,
        presets,
        chosen.name,
        reason=reason,
        is_streaming=can_stream(),
        max_chunks=access.max_chunks,
        sees_all_runs=access.sees_all_runs,
    )
    if access.login:
        print(describe_login(access), flush=True)
    try:
        launch_page(
            page,
            worker,
            host=host,
            port=options.port,
            access=access,
            share=options.share,
            mcp_server=options.mcp,
        )
    except OSError as error:  # of the port, mostly: somebody else listens there
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    finally:
        worker.close()
    return 0


def open_stream(preset: str, **options):
    """Loads the stack of a preset; returns the function that makes videos with it.

    Its refiner is loaded with the first video that is to be refined.

    Args:
        options: more for `load_stack`.
    """
    from t2v.pipeline.refinement import refine
    from t2v.pipeline.refiner import load_refiner
    from t2v.pipeline.stack import load_stack
    from t2v.pipeline.streaming_t2v import stream
    from t2v.pipeline.turns import take_turns

    chosen = find_preset(preset)
    stack = load_stack(chosen, refine=chosen.refiner_unavailable is None, **options)
    refiner = cache(lambda: load_refiner(chosen, stack=stack))

    def make(config: GenerationConfig, start: Start | None) -> Iterator[Event]:
        preview = stream(stack, config, *((start.num_chunks, start.memory) if start else ()))
        if not config.refine:
            return preview
        refined = partial(refine, refiner(), config, state=start and start.refiner)
        return take_turns(preview, refined, refiner().settings, start)

    return make


def slice_opener():
    """What takes the place of `open_stream` where a GPU is lent for one call at a time."""
    import spaces  # noqa: F401 - before torch, whose functions it changes

    from t2v.pipeline.slices import draw_slice, loaded_stack, slice_seconds, stream_in_slices

    draw = with_lent_gpu(draw_slice, slice_seconds)

    def open_slices(preset: str):
        loaded_stack(preset)  # before the first call, whose process is a copy of this one
        return partial(stream_in_slices, draw, preset)

    return open_slices


def end_process() -> None:
    """Ends the process without taking Python down first.

    A thread that used torch hands Python objects back when the system ends it, which is after
    `join`, and aborts the process if Python is gone by then.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    status = 1  # where nobody says so: something broke
    atexit.register(end_process)  # registered first, so it is called last
    try:
        status = main()
    except SystemExit as asked:
        status = asked.code
