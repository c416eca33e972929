"""What sage costs, against hand-written programs that do the same work and, with ``--peers``, beside other libraries.

Run it with ``python -m benchmarks``; `benchmarks/README.md` says how to read what it prints.
"""
