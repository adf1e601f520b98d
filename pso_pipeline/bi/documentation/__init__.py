"""The pages of the documentation that are made from definitions, so that they always agree with them.

`python -m pso_pipeline.bi.documentation docs` writes them again. The text around the tables is in
`templates/`; the tables come from `contract` and `metrics.yml`.
"""
