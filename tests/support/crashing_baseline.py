"""The app of `crashing_app`, where a preset is a small one: NAME WEIGHTS_FOLDER RUNS_DIR."""

import sys
from functools import partial
from pathlib import Path

from t2v.cli.ending import run_and_exit
from t2v.settings import presets
from tests.support.crashing_app import main
from tests.support.small_baselines import small_preset


if __name__ == "__main__":
    name, folder, runs_dir = sys.argv[1:]
    small = small_preset(name, folder)
    presets.list_presets = lambda: {name: small}
    run_and_exit(partial(main, Path(runs_dir), 0.0))
