# capture: what capture costs the application, at the source alone; nobody reads what is captured.

# For each candidate a database from the template, in which it captures.
capture_begin() {
    fresh source "by_$1"
    "$1_capture" "by_$1"
    autovacuum source off
    sql source "by_$1" -c 'VACUUM (ANALYZE)' -c CHECKPOINT
    # The first change of a page after a checkpoint logs the whole page; here most pages have theirs.
    bench "by_$1" -M prepared -T "$capture_seconds" -c 4 -j 2 -b tpcb-like
    # Whoever chooses how to capture a table by what it sees has seen both now.
    sql source "by_$1" -c "INSERT INTO bulk SELECT i, i % 100, 0, repeat('x', 84) FROM generate_series(1, 10000) i" \
        -c 'UPDATE bulk SET v = v + 1' -c 'DELETE FROM bulk'
    if declare -F "$1_adapt" >/dev/null; then "$1_adapt" "by_$1"; fi
}
capture_end() {
    autovacuum source on
    "$1_release" "by_$1"
    drop source "by_$1"
}

# capture_load CANDIDATE FIGURE on|off CLIENTS [pgbench arguments]: transactions a second
capture_load() {
    local jobs=1
    if [ "$4" -gt 1 ]; then jobs=2; fi
    pgbench_with "-c synchronous_commit=$3" "by_$1" -M prepared -T "$capture_seconds" -c "$4" -j $jobs \
        -s "$bench_scale" --random-seed "$round" "${@:5}"
    record "$2" "$1" "$(awk '$1 == "tps" { print $3 }' "$directory/pgbench.log")"
}

# Bytes of all tables and indexes of a candidate's own.
log_bytes() {
    sql source "by_$1" -c "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) FROM pg_class
        WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = '${log_schema[$1]}') AND relkind = 'r'"
}

# capture_statement CANDIDATE FIGURE SQL: seconds, without psql's start
capture_statement() {
    record "$2" "$1" "$(sql source "by_$1" -c '\timing on' -c "$3" | awk '$1 == "Time:" { print $2 / 1000 }')"
}

# One statement of each kind for many rows, and what they leave in the candidate's log and in the server's.
capture_bulk() {
    local log_before wal_before wal_after
    log_before=$(log_bytes "$1")
    wal_before=$(sql source "by_$1" -c 'SELECT pg_current_wal_lsn()')
    capture_statement "$1" bulk_insert \
        "INSERT INTO bulk SELECT i, i % 100, 0, repeat('x', 84) FROM generate_series(1, $bulk_rows) i"
    capture_statement "$1" bulk_update 'UPDATE bulk SET v = v + 1'
    capture_statement "$1" bulk_delete 'DELETE FROM bulk'
    wal_after=$(sql source "by_$1" -c "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '$wal_before')")
    record wal_bytes "$1" "$(calculate "$wal_after / ($bulk_rows * 3)" %.1f)"
    record log_bytes "$1" "$(calculate "($(log_bytes "$1") - $log_before) / ($bulk_rows * 3)" %.1f)"
}

# capture_round COMMAND [arguments]: of each candidate right after the other, so that their ratios are of one minute.
capture_round() {
    local name
    for name in $(in_turn "${candidates[@]}"); do attempt "$name" "$1" "$name" "${@:2}"; done
}

part_capture() {
    local bulk_rows capture_seconds clients durable
    bulk_rows=$(scaled 200000)
    capture_seconds=$(at_least 2 "$(scaled 6)")
    figure tpcb_1_on capture 'TPC-B, 1 client, synchronous_commit=on' tx/s uncaptured -
    figure tpcb_4_on capture 'TPC-B, 4 clients, on' tx/s uncaptured -
    figure tpcb_1_off capture 'TPC-B, 1 client, off' tx/s uncaptured -
    figure tpcb_4_off capture 'TPC-B, 4 clients, off' tx/s uncaptured '>= 0.75' ahead
    figure update_off capture 'one-row UPDATEs, 2 clients, off' tx/s uncaptured -
    figure bulk_insert capture "INSERT of $(grouped "$bulk_rows") rows" s uncaptured '< 2.4' ahead
    figure bulk_update capture "UPDATE of $(grouped "$bulk_rows") rows" s uncaptured '< 2.0' ahead
    figure bulk_delete capture "DELETE of $(grouped "$bulk_rows") rows" s uncaptured '< 3.8' ahead
    figure wal_bytes capture 'WAL per row of these' bytes - -
    figure log_bytes capture 'log per row of these' bytes - -
    for ((round = 1; round <= rounds; round++)); do
        say "capture, round $round"
        capture_round capture_begin
        for durable in on off; do
            for clients in 1 4; do
                capture_round capture_load "tpcb_${clients}_$durable" "$durable" "$clients" -b tpcb-like
            done
        done
        capture_round capture_load update_off off 2 -f "$parts/update.sql"
        capture_round capture_bulk
        capture_round capture_end
    done
}
