"""Environments: where programs are built and run."""

from sage.environment.environment import Environment, LocalEnvironment
from sage.environment.run import run

__all__ = ["Environment", "LocalEnvironment", "run"]
