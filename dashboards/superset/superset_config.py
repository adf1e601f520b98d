"""What differs from Superset's own defaults here; found through SUPERSET_CONFIG_PATH, which `start.py` sets.

Superset reads every name in capitals. Addresses, secrets and folders come from the environment, also set there.
"""

import os

EXAMPLES_INSTALLED = False
# Superset warns, with each page and query, of what nobody here can mend: a picture missing from its own wheel, metrics
# that are more than one aggregate.
LOG_LEVEL = "ERROR"
# A browser gives up on a query after this time. The queries of a page wait for each other.
SUPERSET_WEBSERVER_TIMEOUT = 300
RATELIMIT_STORAGE_URI = "memory://"

# A published snapshot changes at any time, and DuckDB answers in milliseconds: nothing is kept from earlier answers.
CACHE_CONFIG = {"CACHE_TYPE": "NullCache", "CACHE_NO_NULL_WARNING": True}
DATA_CACHE_CONFIG = CACHE_CONFIG

# Superset's own policy, less every address that is not this server's: its telemetry pixel and its map tiles.
TALISMAN_CONFIG = {
    "content_security_policy": {
        "base-uri": ["'self'"],
        "default-src": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "force_https": False,
    "session_cookie_secure": False,
}

SNAPSHOT = os.environ.get("PSO_SUPERSET_SNAPSHOT", "")

CLOSED = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "lock_configuration": True,
    "threads": 2,
}


def only_the_snapshot(address):
    """Refuse every database but the published snapshot: DuckDB and SQLite would open any file of this user."""
    if address.get_backend_name() != "duckdb" or address.database != SNAPSHOT or address.query:
        raise ValueError("this Superset opens the published snapshot and no other database")


def read_only(address, parameters, username, security_manager, source):
    """Open it read-only, without files, network and extensions, whatever the connection's own settings say."""
    only_the_snapshot(address)
    return address, {**parameters, "connect_args": {"read_only": True, "config": dict(CLOSED)}}


DB_SQLA_URI_VALIDATOR = only_the_snapshot
DB_CONNECTION_MUTATOR = read_only
