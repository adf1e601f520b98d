"""The HTML report: one file that opens from disk and sends no request.

`data.py` reads counts from the snapshot, `charts.py` says what each chart looks like, `page.py` puts both into one
file; `template/` is the page itself. Rates are those of `metrics.yml`: the page divides the counts that its filters
leave.
"""
