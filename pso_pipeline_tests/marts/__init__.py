"""The marts: cases as YAML rows in, rows out; properties; and an independent computation in plain Python."""
