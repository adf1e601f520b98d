"""The rules that landed orders and marts must keep, each with its SQL statement, and their evaluation."""
