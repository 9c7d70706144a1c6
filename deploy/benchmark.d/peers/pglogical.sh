# pglogical: logical replication as an extension, which has to be preloaded.
title[pglogical]=pglogical
log_schema[pglogical]=''
packages[pglogical]="postgresql-$version-pglogical"

# pglogical_node SIDE DATABASE
pglogical_node() {
    sql "$1" "$2" -c 'CREATE EXTENSION pglogical' \
        -c "SELECT pglogical.create_node(node_name := '$1', dsn := '$(connection "$1" "$2")')" >/dev/null
}
pglogical_publish() {
    pglogical_node source "$1"
    sql source "$1" -c "SELECT pglogical.replication_set_add_all_tables('default', '{public}')" >/dev/null
}

# Its supervisor does not answer when DROP DATABASE asks every process to close its files, and that would wait for ever.
# Once ended, it only comes back with the server.
pglogical_end_supervisor() {
    sql "$1" postgres -c "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
        WHERE backend_type = 'pglogical supervisor'" >/dev/null
}

pglogical_capture() {
    restart_server source
    pglogical_publish "$1"
    sql source "$1" -c "SELECT pg_create_logical_replication_slot('by_pglogical', 'pglogical_output')" >/dev/null
}
pglogical_release() {
    sql source "$1" -c "SELECT pg_drop_replication_slot('by_pglogical')" >/dev/null
    pglogical_end_supervisor source
}

pglogical_prepare() {
    restart_server source
    restart_server target
    pglogical_publish "$1"
    pglogical_node target "$1"
    # It is born enabled; its slot is there once it replicates.
    sql target "$1" -c "SELECT pglogical.create_subscription('bench', '$(connection source "$1")',
            synchronize_structure := false, synchronize_data := false)" >/dev/null
    until_true target "$1" "SELECT status = 'replicating' FROM pglogical.show_subscription_status('bench')"
    pglogical_stop "$1"
}
pglogical_start() { sql target "$1" -c "SELECT pglogical.alter_subscription_enable('bench', true)" >/dev/null; }
pglogical_alive() { :; }
pglogical_stop() {
    sql target "$1" -c "SELECT pglogical.alter_subscription_disable('bench', true)" >/dev/null
    until_true source "$1" 'SELECT NOT EXISTS (SELECT FROM pg_replication_slots WHERE active)'
}
pglogical_remove() {
    sql target "$1" -c "SELECT pglogical.drop_subscription('bench')" >/dev/null
    until_true source "$1" 'SELECT NOT EXISTS (SELECT FROM pg_replication_slots)'
    pglogical_end_supervisor source
    pglogical_end_supervisor target
}
