"""Which requests go in, which wait and which are sent away: decided before any work on them starts."""

from sage.admission.admission import Admission
from sage.admission.door import Door
from sage.admission.passes import Pass

__all__ = ["Admission", "Door", "Pass"]
