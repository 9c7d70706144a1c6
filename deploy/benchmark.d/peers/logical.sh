# The server's own logical replication.
title[logical]='logical replication'
log_schema[logical]=''

logical_capture() {
    sql source "$1" -c 'CREATE PUBLICATION bench FOR ALL TABLES' \
        -c "SELECT pg_create_logical_replication_slot('by_logical', 'pgoutput')" >/dev/null
}
logical_release() { sql source "$1" -c "SELECT pg_drop_replication_slot('by_logical')" >/dev/null; }

logical_prepare() {
    sql source "$1" -c 'CREATE PUBLICATION bench FOR ALL TABLES'
    sql target "$1" -c "CREATE SUBSCRIPTION bench CONNECTION '$(connection source "$1")'
        PUBLICATION bench WITH (copy_data = false, enabled = false)"
}
logical_start() { sql target "$1" -c 'ALTER SUBSCRIPTION bench ENABLE'; }
logical_alive() { :; }
logical_stop() { sql target "$1" -c 'ALTER SUBSCRIPTION bench DISABLE'; }
logical_remove() { sql target "$1" -c 'DROP SUBSCRIPTION bench'; }
