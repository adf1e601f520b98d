"""How rows land: everything that one landing brings, and its progress, in one transaction.

Each module lands one kind of thing. The statements are named parts of the `.sql` files next to it (`statements`). The
caller holds the warehouse open.
"""
