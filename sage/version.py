"""The version, written here only: the packaging reads it from this file, and asking the installed package would be slow."""

__all__ = ["__version__"]

__version__ = "0.1.0"
