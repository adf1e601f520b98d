"""What can go wrong with the BI snapshot, sorted by what a person does next.

SnapshotError
├── NothingPublished     no snapshot yet: run a refresh
├── SnapshotUnreadable   no permission, or no manifest of this pipeline: repair it, or publish again
├── SnapshotBusy         another process publishes into the folder: wait, or end it
├── SnapshotNotWritten   no room, no permission, something in the way: repair what the message names
├── MartsBusy            another program holds the marts file: wait, or close it there
└── MartsUnusable        no marts, not all of them, or in another format: compute them again
"""


class SnapshotError(Exception):
    """The snapshot cannot be published or read; the message is one line that says why and what to do."""


class NothingPublished(SnapshotError):
    """The folder holds no snapshot yet."""


class SnapshotUnreadable(SnapshotError):
    """The manifest in the folder cannot be read or understood."""


class SnapshotBusy(SnapshotError):
    """Another process has been publishing into the folder for longer than the time to wait."""


class SnapshotNotWritten(SnapshotError):
    """The new snapshot could not be written; readers go on with the one before."""


class MartsBusy(SnapshotError):
    """Another program has held the marts file for longer than the time to wait."""


class MartsUnusable(SnapshotError):
    """The marts file is missing, incomplete, or not in the format that BI tools read."""
