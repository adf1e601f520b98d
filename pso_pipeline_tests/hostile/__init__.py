"""Worlds in which any field of any record holds anything, and what must be published of them all the same."""
