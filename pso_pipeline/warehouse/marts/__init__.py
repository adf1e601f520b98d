"""The marts: a `.sql` file for each table of schema `mart`, and the order to run them in. No rates, no publishing."""
