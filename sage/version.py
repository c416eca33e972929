"""The version. Written here only: packaging reads it from this file; to ask the installed package would be slow."""

__all__ = ["__version__"]

__version__ = "0.1.0"
