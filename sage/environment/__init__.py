"""Environments: where programs are built and run."""

from sage.environment.environment import Environment, LocalEnvironment
from sage.environment.run import fast_loop, run

__all__ = ["Environment", "LocalEnvironment", "fast_loop", "run"]
