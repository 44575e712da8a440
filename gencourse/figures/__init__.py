"""What the chapters plot. Every function draws, shows nothing else and returns None."""

from gencourse.figures.look import use_look

__all__ = ["use_look"]
