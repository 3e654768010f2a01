"""The app, for Hugging Face Spaces and for a checkout: `python app.py` is `longtake app`."""

import sys

from t2v.cli import main
from t2v.cli.ending import run_and_exit


if __name__ == "__main__":
    run_and_exit(lambda: main(["app", *sys.argv[1:]]))
