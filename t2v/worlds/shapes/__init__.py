"""Coloured shapes that move in front of plain or patterned backgrounds."""

from t2v.worlds.shapes.shapes import Shapes


__all__ = ["Shapes"]
