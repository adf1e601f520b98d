#!/bin/sh
# Copies a lake to a folder: first the catalogue, then the data files that the folder does not have yet.
#   PGHOST=… PGUSER=pso PSO_WAREHOUSE_DATA=s3://bucket/lake backup.sh FOLDER
#
# In this order, because data files are only added: every file that the catalogue names exists when the files are copied,
# unless maintenance has removed it since. Then the backup fails and says so.
set -eu
folder=${1:?a folder for the backup}
: "${PSO_WAREHOUSE_DATA:?where the data files of the lake are}"
catalogue=${LAKE_DATABASE:-lake}
data=$folder/data
mkdir -p "$data"

pg_dump --format=custom --file="$folder/catalogue.new" "$catalogue"

case $PSO_WAREHOUSE_DATA in
    s3://*)
        # before 2.13 the command does not read that variable
        aws ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} s3 sync --only-show-errors "$PSO_WAREHOUSE_DATA" "$data"
        ;;
    *)
        # a file that was once written never changes
        (cd "$PSO_WAREHOUSE_DATA" && find . -type f) | while IFS= read -r file; do
            [ -e "$data/$file" ] && continue
            mkdir -p "$data/$(dirname "$file")"
            cp -p "$PSO_WAREHOUSE_DATA/$file" "$data/$file.part" && mv "$data/$file.part" "$data/$file"
        done
        ;;
esac

# the names of the files in the dump, from the column `path`
pg_restore --data-only --table=ducklake_data_file --table=ducklake_delete_file --file=- "$folder/catalogue.new" |
    awk '
        /^COPY / { count = split($0, names, /[ (),]+/); for (i = 3; i <= count; i++) if (names[i] == "path") column = i - 2; next }
        $0 == "\\." { column = 0 }
        column { split($0, fields, "\t"); sub(/.*\//, "", fields[column]); print fields[column] }
    ' | sort > "$folder/named"
find "$data" -type f | sed 's#.*/##' | sort > "$folder/copied"
missing=$(comm -23 "$folder/named" "$folder/copied" | wc -l)
rm "$folder/named" "$folder/copied"
if [ "$missing" -gt 0 ]; then
    echo "backup.sh: $missing data file(s) were removed before they were copied: run it again, while no maintenance runs" >&2
    exit 1
fi
mv "$folder/catalogue.new" "$folder/catalogue.dump"
