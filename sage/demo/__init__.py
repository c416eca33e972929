"""The demo: a survey of the Python standard library, as an example of a whole program.

`survey` is the program, `source_code` what it does with files, `report` what is shown of it. The command ``sage demo``
runs it.
"""

from sage.demo.report import report
from sage.demo.survey import Summary, Survey, Unreadable, build

__all__ = ["Summary", "Survey", "Unreadable", "build", "report"]
