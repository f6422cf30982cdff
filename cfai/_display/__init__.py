"""How results and long work look in a terminal and in a notebook."""

from cfai._display.progress import Progress

__all__ = ["Progress"]
