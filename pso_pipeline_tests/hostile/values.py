"""What a field can hold that nobody expects: every kind that a source was seen to send, as hypothesis strategies."""

import json
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from pso_pipeline_tests.hostile.world import Raw

LONG = "x" * 70_000

WRONG_TYPES = (
    "null", "true", "false", "0", "-1", "1.5", "1e400", "-1e400", "1" + "0" * 400, "12345678901234567890",
    "[]", "{}", "[null]", '{"a":1}', '{"Id":"a"}', '{"OwnerCheckedIn":true}', "[" * 90 + "]" * 90,
)  # fmt: skip
TEXTS = (
    "", " ", "\t", "\x00", "a\x00b", "a\nb\rc", "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u202eabc", "\u2066\u2069",
    "\ufeff", "\ufffe", "[/b]", "[b]", "[link=https://evil.example]x[/link]", "<script>alert(1)</script>", "</script>",
    "<!--", "![x](https://evil.example/x.png)", "[x](https://evil.example)", "<!channel>", "`|`", "a|b", "{{x}}", "%s",
    "{0}", "'; DROP TABLE mews.services; --", "=cmd|' /C calc'!A0", "../../etc/passwd", "a/b\\c", "NaN", "Infinity",
    "null", "yes", "None", "CON", "🏨", "é" * 300, "n" * 300, LONG, "Invalid", "Cancelled", "canceled", "CANCELED",
    "W. Europe Standard Time", "Central European Standard Time", "Nepal Standard Time", " Europe/Prague ",
    "europe/prague", "Mars/Olympus", "UTC+99", "Etc/GMT+12", "GMT", "0F515589-99B4-423D-B83A-B237009F0509",
    "00000000-0000-0000-0000-000000000000",
)  # fmt: skip
HALVES = (r'"\ud800"', r'"a\udc00b"', r'"\ud83d\ud83d\ude00"', '"\\u0000"', r'"\ud83d\u0020\ude00"')
"""Texts that are no Unicode, or hardly: half an emoji, two halves apart."""

TIMES = (
    "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", "9999-12-31T23:59:59.9999999Z",
    "9999-12-31T23:59:59-14:00", "0000-00-00T00:00:00Z", "-2024-01-01T00:00:00Z", "1752-09-14T00:00:00Z",
    "1989-12-31T23:59:59Z", "1990-01-01T00:00:00Z", "1990-01-01T00:00:00+14:00", "2024-02-30T00:00:00Z",
    "2024-13-01T00:00:00Z", "2016-12-31T23:59:60Z", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01 00:00:00Z",
    "2024-01-01T24:00:00Z", "2024-01-01T00:00:00.1234567Z", "2024-01-01T00:00:00+05:45", "2024-01-01T00:00:00+14:00",
    "2024-01-01T00:00:00-12:00", "2024-01-01T00:00:00+23:59", "2024-01-01T00:00:00+25:00", "2024-01-01T00:00:00-00:00",
    "20240101T000000Z", "/Date(1700000000000)/", "1700000000", "2024-01-01T00:00:00z", "2024-W01-1T00:00:00Z",
)  # fmt: skip


DAYS_FROM_NOW = (-20_000, -4_000, 1.5, 30, 400, 3_600, 3_700, 90_000)


def _from_now(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")


values: st.SearchStrategy[Raw] = st.one_of(
    st.sampled_from(WRONG_TYPES).map(Raw),
    st.sampled_from(TEXTS).map(json.dumps).map(Raw),
    st.sampled_from(HALVES).map(Raw),
    st.sampled_from(TIMES).map(json.dumps).map(Raw),
    st.sampled_from(DAYS_FROM_NOW).map(_from_now).map(json.dumps).map(Raw),
    st.integers().map(json.dumps).map(Raw),
    st.floats(allow_nan=False, allow_infinity=False).map(json.dumps).map(Raw),
    st.text(max_size=40).map(json.dumps).map(Raw),
)
"""Any JSON value that has no business where it stands."""

NAMES = (
    "extra", "Extra", "id", "ID", "serviceId", "service_id", "enterprise_id", "EnterpriseId", "partition_key",
    "PartitionKey", "is_in_scope", "IsInScope", "token_fingerprint", "fetched_utc", "FetchedUtc", "observed_utc",
    "is_missing_from_source", "learned_0", "learned", "odd_extra", "may_have_extra", "nested", "__class__", "__dict__",
    "__proto__", "", " ", "a.b", "$ref", 'a"b', "a\\b", "\x00", "\x1b[31m", "Options.OwnerCheckedIn", "OwnerCheckedIn",
    "owner_checked_in", "Created Utc", "Cursor", "ProductServiceOrders", "class", "self", "[/b]", "🏨", "k" * 70_000,
)  # fmt: skip
"""Names of fields that the API does not have, and that mean something somewhere."""

names: st.SearchStrategy[str] = st.sampled_from(NAMES)
whole_records: st.SearchStrategy[Raw] = st.sampled_from(
    ["null", "5", '"text"', "[]", "{}", "true", '[{"Id":"x"}]', '{"Id":null}', '{"id":"lower"}', '{"Mark":7}']
).map(Raw)
