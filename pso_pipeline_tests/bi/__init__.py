"""The BI snapshot: published, read while it is published, killed, and opened by other tools."""
