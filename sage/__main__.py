"""``python -m sage``: the same as the command ``sage``."""

from sage.cli.main import main

if __name__ == "__main__":
    main()
