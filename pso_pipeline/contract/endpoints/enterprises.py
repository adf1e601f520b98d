"""The operation `enterprises/getAll`: the hotels that an access token can access."""

from pso_pipeline.contract.columns import Column
from pso_pipeline.contract.endpoints.endpoint import Endpoint, Filter

ENTERPRISES = Endpoint(
    name="enterprises",
    operation="enterprises/getAll",
    response_key="Enterprises",
    record_name="enterprise",
    description="Hotels that the access tokens can access, or once could.",
    scope="token",
    filters=(
        Filter("EnterpriseIds"),
        Filter("ExternalIdentifiers", "texts"),
        Filter("LinkedUtc", "interval"),
        Filter("UpdatedUtc", "interval"),
    ),
    columns=(
        Column("id", "VARCHAR", "Unique identifier of the enterprise.", "Id", required=True),
        Column("partition_key", "VARCHAR", "Readable, permanent key of its Dagster partition."),
        Column("name", "VARCHAR", "Name of the hotel.", "Name"),
        Column(
            "time_zone_identifier",
            "VARCHAR",
            "IANA time zone in which its dates are counted.",
            "TimeZoneIdentifier",
        ),
        Column("chain_id", "VARCHAR", "Unique identifier of the chain it belongs to.", "ChainId"),
        Column("chain_name", "VARCHAR", "Name of the chain it belongs to.", "ChainName"),
        Column("country_code", "VARCHAR", "Country of its address.", "Address.CountryCode"),
        Column("city", "VARCHAR", "City of its address.", "Address.City"),
        Column("default_language_code", "VARCHAR", "Language of its texts.", "DefaultLanguageCode"),
        Column("created_utc", "TIMESTAMP", "When it was created in Mews.", "CreatedUtc"),
        Column("updated_utc", "TIMESTAMP", "When it was last updated in Mews.", "UpdatedUtc"),
        Column("linked_utc", "TIMESTAMP", "When it joined the portfolio of the access token.", "LinkedUtc"),
        Column("is_in_scope", "BOOLEAN", "False once no access token sees it any more."),
        Column("token_fingerprint", "VARCHAR", "Digest of the access token that saw it last; not the token."),
        Column(
            "unlisted_since_utc",
            "TIMESTAMP",
            "Since when the listings of its access token lack it, by the server's clock; null while it is listed.",
        ),
    ),
)
