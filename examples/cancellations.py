"""Which services lose most orders to cancellations, and how soon: an analysis with pandas over the BI snapshot.

`python examples/cancellations.py data/sandbox/bi`
"""

import argparse
from pathlib import Path

import pandas as pd

OLD_ENOUGH = pd.Timedelta(days=30)


def main() -> None:
    """Read the snapshot and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("data/sandbox/bi"), help="the snapshot")
    orders = read_orders(parser.parse_args().folder)
    print("Firm orders at least 30 days old, and how many were canceled within 30 days:\n")
    print(by_service(orders).to_string(float_format="{:.1%}".format))
    print("\nOf the canceled orders, share that was canceled within …\n")
    print(how_soon(orders).to_string(float_format="{:.0%}".format))


def read_orders(folder: Path) -> pd.DataFrame:
    """Read the firm orders that are old enough to be compared, one row each."""
    # a folder of one version stays as it is while it is read
    parquet = (folder / "current").resolve() / "parquet"
    columns = ["enterprise_id", "service_name", "created_at", "hours_to_cancel", "is_firm"]
    orders = pd.read_parquet(parquet / "rpt_orders", columns=columns, filters=[("is_firm", "==", True)])
    hotels = pd.read_parquet(parquet / "dim_enterprises.parquet", columns=["enterprise_id", "as_of_utc"])
    orders = orders.merge(hotels, on="enterprise_id")
    return orders[orders["created_at"] <= orders["as_of_utc"] - OLD_ENOUGH]


def by_service(orders: pd.DataFrame) -> pd.DataFrame:
    """Count the orders of each service, and the share that was canceled within 30 days."""
    is_canceled = orders["hours_to_cancel"] <= OLD_ENOUGH / pd.Timedelta(hours=1)
    table = orders.assign(is_canceled=is_canceled).groupby("service_name")["is_canceled"].agg(["count", "mean"])
    return table.rename(columns={"count": "orders", "mean": "canceled"}).sort_values("canceled", ascending=False)


def how_soon(orders: pd.DataFrame) -> pd.DataFrame:
    """Return, for each service, the share of its cancellations that came within an hour, a day and a week."""
    canceled = orders.dropna(subset="hours_to_cancel")
    limits = {"an hour": 1, "a day": 24, "a week": 168}
    within = {name: canceled["hours_to_cancel"] <= hours for name, hours in limits.items()}
    return canceled[["service_name"]].assign(**within).groupby("service_name").mean()


if __name__ == "__main__":
    main()
