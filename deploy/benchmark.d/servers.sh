# The servers of the benchmark's own, and the databases in them. Sourced by deploy/benchmark.
#
# A pair is a source and a target. Those of the pair `plain` have the wal_level that a server ships with; trigger-based
# capture needs no more. Those of the pair `decoding` have the one that reading the server's own log needs, and those of
# the pair `preloaded` pglogical besides. Every candidate works on the pair that it needs, in databases from one
# template.
pair=plain

as_server() {
    if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

home() { printf '%s' "$directory/$pair-$1"; }

# start_server SIDE, of the pair at hand
start_server() {
    local home
    home=$(home "$1")
    mkdir -m 755 "$home"
    if [ "$(id -u)" -eq 0 ]; then chown postgres "$home"; fi
    as_server "$server/initdb" -D "$home/data" -A trust -U postgres >/dev/null
    # Durable as shipped (fsync, synchronous_commit). Room in memory and log, so that no checkpoint falls into
    # one candidate's time; the same on all servers.
    as_server tee -a "$home/data/postgresql.conf" >/dev/null <<CONF
unix_socket_directories = '$home'
listen_addresses = ''
shared_buffers = 512MB
max_wal_size = 16GB
checkpoint_timeout = 1h
CONF
    if [ "$pair" != plain ]; then
        printf 'wal_level = logical\n' | as_server tee -a "$home/data/postgresql.conf" >/dev/null
    fi
    if [ "$pair" = preloaded ]; then
        printf 'shared_preload_libraries = pglogical\n' | as_server tee -a "$home/data/postgresql.conf" >/dev/null
        # Servers of recent minor versions name the libraries that may decode.
        if [[ $(as_server "$server/postgres" --describe-config) == *output_plugin_libraries* ]]; then
            printf "output_plugin_libraries = 'pgoutput, pglogical_output'\n" |
                as_server tee -a "$home/data/postgresql.conf" >/dev/null
        fi
    fi
    (cd / && as_server "$server/pg_ctl" -D "$home/data" -l "$home/log" -w start >/dev/null)
}

restart_server() {
    (cd / && as_server "$server/pg_ctl" -D "$(home "$1")/data" -l "$(home "$1")/log" -w -m fast restart >/dev/null)
}

# The servers of the pair at hand, unless they run already.
start_pair() {
    if [ -d "$(home source)" ]; then return; fi
    start_server source
    start_server target
    seed source
    seed target
}

stop_servers() {
    local data
    for data in "$directory"/*/data; do
        [ -f "$data/postmaster.pid" ] || continue
        (cd / && as_server "$server/pg_ctl" -D "$data" -m immediate stop >/dev/null) || true
    done
}

# connection SIDE DATABASE
connection() { printf 'host=%s user=postgres dbname=%s' "$(home "$1")" "$2"; }
# sql SIDE DATABASE [psql arguments]
sql() {
    PGOPTIONS="${PGOPTIONS:-} -c client_min_messages=warning" "$server/psql" -XqAt -F ' ' -v ON_ERROR_STOP=1 \
        -d "$(connection "$1" "$2")" "${@:3}"
}
# on_both DATABASE [psql arguments]
on_both() {
    sql source "$@"
    sql target "$@"
}

# pgbench_with SETTINGS DATABASE [pgbench arguments]: on the source, with these server settings; what it prints is in
# the file pgbench.log.
pgbench_with() {
    local log=$directory/pgbench.log
    PGOPTIONS=$1 "$server/pgbench" -n "${@:3}" "$(connection source "$2")" >"$log" 2>&1 ||
        { cat "$log" >&2; fail 'pgbench failed'; }
}
# bench DATABASE [pgbench arguments]: its commits need not be durable, they are not what is timed.
bench() { pgbench_with '-c synchronous_commit=off' "$@"; }

# seed SIDE: the template of all databases.
seed() {
    sql "$1" postgres -c 'CREATE DATABASE seed'
    "$server/pgbench" -i -q -s "$bench_scale" "$(connection "$1" seed)" >/dev/null 2>&1
    sql "$1" seed -f "$parts/seed.sql"
    sql "$1" postgres -c 'ALTER DATABASE seed WITH IS_TEMPLATE true ALLOW_CONNECTIONS false'
}

# fresh SIDE DATABASE: a database with the template's rows.
fresh() {
    start_pair
    drop "$1" "$2"
    sql "$1" postgres -c "CREATE DATABASE $2 TEMPLATE seed"
}
fresh_pair() {
    fresh source "$1"
    fresh target "$1"
}

drop() { sql "$1" postgres -c "DROP DATABASE IF EXISTS $2 (FORCE)"; }
drop_pair() {
    drop source "$1"
    drop target "$1"
}

settle() { on_both "$1" -c 'VACUUM (ANALYZE)' -c CHECKPOINT; }

# same DATABASE TABLE…: fails unless source and target hold the same rows.
same() {
    local table fingerprint='count(*), sum(hashtextextended(t::text, 0)::numeric)'
    for table in "${@:2}"; do
        [ "$(sql source "$1" -c "SELECT $fingerprint FROM $table t")" = \
            "$(sql target "$1" -c "SELECT $fingerprint FROM $table t")" ] || fail "$1: $table differs"
    done
}

# autovacuum SIDE on|off: off where a vacuum would fall into one candidate's time.
autovacuum() { sql "$1" postgres -c "ALTER SYSTEM SET autovacuum = $2" -c 'SELECT pg_reload_conf()' >/dev/null; }
