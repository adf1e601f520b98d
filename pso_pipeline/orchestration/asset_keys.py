"""The keys of the five assets.

Assets, jobs and checks name assets by these keys, so that none of the three imports another. Add the key of a new asset
here. How an asset is made is in `assets`.
"""

from dagster import AssetKey

ENTERPRISES = AssetKey("enterprises")
SERVICES = AssetKey("services")
ORDERS = AssetKey("product_service_orders")
METRICS = AssetKey("check_in_cancellation_metrics")
SNAPSHOT = AssetKey("bi_snapshot")

ALL_ASSETS = frozenset({ENTERPRISES, SERVICES, ORDERS, METRICS, SNAPSHOT})
