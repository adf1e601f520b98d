"""The tools that a user would pick instead, used as their own documentation recommends, each in its own environment.

Every `load_*.py` is a program: it reads all product service orders of one address and writes them to one DuckDB file,
both named by the environment. They import nothing of this project.
"""
