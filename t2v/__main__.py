"""`python -m t2v` is `longtake`."""

from t2v.cli import run


run()
