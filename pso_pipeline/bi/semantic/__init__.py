"""Semantic models of the snapshot: the metrics and tables as other programs read them.

Each module makes one format from `metrics.yml` and the tables of the contract: `ossie.py` an Apache Ossie model,
`data_contract.py` an Open Data Contract, `metricflow.py` a dbt project for MetricFlow. `files.py` writes them into
`models/`, where they are committed, and publications copy them from there. Another format is another module here and a
line in `files.py`. How a rate is computed is in `rates.py` and `metrics.yml` alone.
"""
