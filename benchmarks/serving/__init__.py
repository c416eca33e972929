"""Requests through a program: tokens, latency, overload, clients that leave and clients that are slow."""
