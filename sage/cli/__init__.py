"""The command line. The command ``sage`` is `sage.cli.main.main`."""

__all__: list[str] = []
