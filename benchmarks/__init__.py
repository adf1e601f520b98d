"""What the pipeline costs, next to the least that it could cost and to the tools that a user would pick instead.

`python -m benchmarks` (`make bench`) measures and writes `docs/performance.md`. Nothing here is part of the package.
"""
