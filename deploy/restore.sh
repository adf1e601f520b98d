#!/bin/sh
# Puts a lake back as backup.sh copied it: first the data files, then the catalogue that names them, in one transaction.
#   PGHOST=… PGUSER=pso PSO_WAREHOUSE_DATA=s3://bucket/lake restore.sh FOLDER
#
# Stop everything that writes before. PSO_WAREHOUSE_DATA is the place that the catalogue knows.
set -eu
folder=${1:?the folder of the backup}
: "${PSO_WAREHOUSE_DATA:?where the data files of the lake are}"
catalogue=${LAKE_DATABASE:-lake}
data=$folder/data

# read before anything is removed: a dump that is missing or damaged changes nothing
pg_restore --no-owner --file="$folder/catalogue.sql" "$folder/catalogue.dump"

case $PSO_WAREHOUSE_DATA in
    s3://*)
        # before 2.13 the command does not read that variable
        aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} s3 sync --only-show-errors "$data" "$PSO_WAREHOUSE_DATA"
        ;;
    *)
        mkdir -p "$PSO_WAREHOUSE_DATA"
        cp -Rp "$data/." "$PSO_WAREHOUSE_DATA"
        ;;
esac

# what the catalogue has now goes, also tables that the backup does not have
psql --quiet --single-transaction --set=ON_ERROR_STOP=1 --dbname="$catalogue" --output=/dev/null \
    --command='SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public' \
    --file="$folder/catalogue.sql"
rm "$folder/catalogue.sql"
