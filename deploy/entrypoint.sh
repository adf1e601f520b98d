#!/bin/sh
# Runs a command with the secrets in its environment: each file in /run/secrets is the variable of its name, an empty file
# is none. They are in no image, in no Compose file, and `docker inspect` does not show them.
set -eu
for file in "${SECRETS_DIR:-/run/secrets}"/*; do
    [ -f "$file" ] && [ -s "$file" ] || continue
    name=$(basename "$file" | tr '[:lower:]' '[:upper:]')
    value=$(cat "$file")
    export "$name=$value"
done
exec "$@"
