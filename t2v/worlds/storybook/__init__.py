"""Drawn animals and vehicles, each in one colour, in front of flat scenes."""

from t2v.worlds.storybook.storybook import Storybook


__all__ = ["Storybook"]
