"""What the commands print: all of it may hold text of others, from prompts to names of files."""

import sys

from t2v.settings.visible_text import visible


def say(text: object, *, error: bool = False) -> None:
    """Prints lines at once, without what would steer the terminal.

    Args:
        error: whether they tell of the work, and are none of its results: to stderr.
    """
    lines = "\n".join(map(visible, str(text).split("\n")))
    print(lines, file=sys.stderr if error else sys.stdout, flush=True)
