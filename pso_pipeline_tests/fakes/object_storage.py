"""An object storage for tests that speaks S3, in this process on a free port; what it holds goes with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.request import Request, urlopen
from uuid import uuid4

import boto3  # type: ignore[import-untyped]  # it makes its types when it runs
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"


@dataclass(frozen=True)
class ObjectStorage:
    """A running storage; it lets everybody in who has any key, unless it is `closed_to_strangers`."""

    address: str

    @property
    def variables(self) -> dict[str, str]:
        """The variables of AWS by which programs find it."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "key-of-tests",
            "AWS_SECRET_ACCESS_KEY": "secret-of-tests'\"%",
            "AWS_REGION": REGION,
        }

    def new_bucket(self) -> str:
        """Make an empty bucket and return its address, `s3://…`."""
        name = f"lake-{uuid4().hex}"
        self._client().create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        return f"s3://{name}"

    def names(self, bucket: str) -> list[str]:
        """Return the names of everything in a bucket."""
        found = self._client().list_objects_v2(Bucket=bucket.removeprefix("s3://"))
        return [each["Key"] for each in found.get("Contents", [])]

    def remove(self, bucket: str, names: list[str]) -> None:
        """Remove these from a bucket."""
        for name in names:
            self._client().delete_object(Bucket=bucket.removeprefix("s3://"), Key=name)

    @contextmanager
    def closed_to_strangers(self) -> Iterator[None]:
        """Refuse every key for the length of the block, since nobody was given one."""
        self._let_in("0")
        try:
            yield
        finally:
            self._let_in("inf")

    def _let_in(self, requests: str) -> None:
        """Say how many requests are let in with any key."""
        url = f"{self.address}/moto-api/reset-auth"
        with urlopen(Request(url, data=requests.encode(), headers={"Content-Type": "text/plain"})):
            pass

    def _client(self):
        return boto3.client(
            "s3",
            endpoint_url=self.address,
            region_name=REGION,
            aws_access_key_id=self.variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.variables["AWS_SECRET_ACCESS_KEY"],
        )


@contextmanager
def running_object_storage() -> Iterator[ObjectStorage]:
    """Run a storage for the length of the block."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield ObjectStorage(f"http://{host}:{port}")
    finally:
        server.stop()
