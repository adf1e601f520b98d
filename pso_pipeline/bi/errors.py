"""What can go wrong with the BI snapshot, sorted by what a person does next.

SnapshotError
├── NothingPublished     no snapshot yet: run a refresh
├── SnapshotUnreadable   no permission, or not a manifest of ours: mend it, or publish again
├── SnapshotBusy         another process publishes into the folder: wait, or end it
├── SnapshotNotWritten   no room, no permission, something in the way: mend what the message names
├── MartsBusy            somebody holds the marts file: wait, or close it there
└── MartsUnusable        no marts, not all of them, or in another format: derive them anew
"""


class SnapshotError(Exception):
    """The snapshot cannot be published or read; the message is one line that says why and what to do."""


class NothingPublished(SnapshotError):
    """The folder holds no snapshot yet."""


class SnapshotUnreadable(SnapshotError):
    """The manifest in the folder cannot be read or understood."""


class SnapshotBusy(SnapshotError):
    """Another process has been publishing into the folder for longer than our patience."""


class SnapshotNotWritten(SnapshotError):
    """The new snapshot could not be written; readers go on with the one before."""


class MartsBusy(SnapshotError):
    """Somebody holds the marts file, and our patience ended."""


class MartsUnusable(SnapshotError):
    """The marts file is missing, incomplete, or not in the format that BI tools read."""
