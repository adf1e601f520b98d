"""The operations of the API that the pipeline reads, each described once.

An endpoint is a module here and a line in `ENDPOINTS`. Decoding, DataFrames, tables, landing, column documentation,
checks and the Dagster asset follow from it. What is computed from the tables stays in `contract.marts`.
"""

from pso_pipeline.contract.endpoints.endpoint import Endpoint
from pso_pipeline.contract.endpoints.enterprises import ENTERPRISES
from pso_pipeline.contract.endpoints.order_items import ORDER_ITEMS
from pso_pipeline.contract.endpoints.product_service_orders import PRODUCT_SERVICE_ORDERS
from pso_pipeline.contract.endpoints.products import PRODUCTS
from pso_pipeline.contract.endpoints.services import SERVICES

ENDPOINTS: tuple[Endpoint, ...] = (ENTERPRISES, SERVICES, PRODUCT_SERVICE_ORDERS, ORDER_ITEMS, PRODUCTS)

__all__ = [
    "ENDPOINTS",
    "ENTERPRISES",
    "ORDER_ITEMS",
    "PRODUCTS",
    "PRODUCT_SERVICE_ORDERS",
    "SERVICES",
    "Endpoint",
]
