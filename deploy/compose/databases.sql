-- The databases of Dagster, of the lake's catalogue and of the rate limits; PostgreSQL runs this when it is first started.
CREATE DATABASE dagster;
CREATE DATABASE lake;
CREATE DATABASE limits;
