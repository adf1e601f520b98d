"""What can go wrong with the warehouse, sorted by what a person does next.

WarehouseError
├── WarehouseBusy        somebody else holds the file: wait, or close it there
├── WarehouseUnusable    no permission, no room, not a DuckDB file: mend what the message names
├── WarehouseTooNew      written by a newer pso_pipeline: upgrade this one
└── WarehouseMixed       filled from another kind of source: give the sandbox and real data a warehouse each
"""


class WarehouseError(Exception):
    """The warehouse cannot be used as asked; the message is one line that says why and what to do."""


class WarehouseBusy(WarehouseError):
    """Another process holds the warehouse, and our patience ended."""


class WarehouseUnusable(WarehouseError):
    """The file or folder cannot be opened or written."""


class WarehouseTooNew(WarehouseError):
    """The tables were made by a newer version of the package."""


class WarehouseMixed(WarehouseError):
    """The warehouse holds data of another kind of source: real data and the sandbox's never share one."""
