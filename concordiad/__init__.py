"""Concordia's daemon: several people share one agent session."""

__version__ = "0.1.0"
