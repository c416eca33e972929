"""The demo: a server that answers questions about Python from its own documentation, as an example of whole programs.

Read `indexing` first (the program that reads), then `answering` (the program that answers). `docstrings` is what the
first does with files; `tour` runs both and asks, by `server`, `asking` and `interview`. `survey` is another program: it
counts functions in the same files. `report` is what is shown of runs. The command ``sage demo`` does all of it.
"""

from sage.demo.report import report
from sage.demo.survey import Summary, Survey, Unreadable, build

__all__ = ["Summary", "Survey", "Unreadable", "build", "report"]
