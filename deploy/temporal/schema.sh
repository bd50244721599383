#!/bin/sh
# Creates Temporal's databases where they are missing and updates their schemas. SQL_* in the environment says where.
set -eu

for database in temporal:temporal temporal_visibility:visibility; do
    name=${database%%:*}
    schema=postgresql/v12/${database##*:}
    temporal-sql-tool --db "$name" create
    temporal-sql-tool --db "$name" setup --version 0.0
    temporal-sql-tool --db "$name" update --schema-name "$schema"
done
