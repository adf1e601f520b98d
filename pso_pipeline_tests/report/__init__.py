"""Tests of the HTML report: its counts, the file, and the page in a real browser."""
