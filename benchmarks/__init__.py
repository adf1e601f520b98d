"""What the pipeline costs, beside the least that it could cost and beside the tools that a user would pick instead.

`python -m benchmarks` (`make bench`) measures and writes `docs/performance.md`. Nothing here is part of the package.
"""
