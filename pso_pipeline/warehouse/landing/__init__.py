"""How rows land: everything that one landing brings, and the progress it stands for, in one transaction.

Each module lands one kind of thing, with its statements in `.sql` files beside it, one statement each. The caller holds
the warehouse (`Warehouse.open`); nothing here fetches, waits or decides what to read next.
"""
