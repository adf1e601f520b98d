"""The pages of the documentation that are made from definitions, so that they cannot say anything else.

`python -m pso_pipeline.bi.documentation docs` writes them anew. What a page says around its tables stands in
`templates/`; the tables come from `contract` and `metrics.yml`.
"""
