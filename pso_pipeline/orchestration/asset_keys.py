"""The keys of the assets: those below, and one for each endpoint whose records are read hotel by hotel.

Assets, jobs and checks name assets by these keys, so that none of the three imports another. Add the key of a new asset
here, except that of an endpoint. How an asset is made is in `assets`.
"""

from dagster import AssetKey

from pso_pipeline.contract.endpoints import ENDPOINTS

ENTERPRISES = AssetKey("enterprises")
SERVICES = AssetKey("services")
ORDERS = AssetKey("product_service_orders")
METRICS = AssetKey("check_in_cancellation_metrics")
SNAPSHOT = AssetKey("bi_snapshot")
LAKE = AssetKey("lake_maintenance")

ALL_ASSETS = frozenset({*(AssetKey(endpoint.name) for endpoint in ENDPOINTS), METRICS, SNAPSHOT, LAKE})
