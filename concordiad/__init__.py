"""Concordia's daemon: several people share one agent session."""

from concordiad.bytecode import pass_over_half

__version__ = "0.1.0"

pass_over_half()
