"""Queues, channels and calls between two processes, beside what one would write by hand."""
