# drain: a backlog is made while no replicator runs; then one is started, and the time counts until the target has all
# of it. Every candidate has databases of its own, and a backlog of its own made by the same script: the server's
# decoding does not pay for tidemark's log, nor the capture for the server's slot.

replicated_tables=(pgbench_accounts pgbench_tellers pgbench_branches pgbench_history wide hot)
patience_seconds=1800

# until_true SIDE DATABASE QUERY
until_true() {
    local tries
    for ((tries = 0; tries < 600; tries++)); do
        if [ "$(sql "$1" "$2" -c "$3")" = t ]; then return; fi
        sleep 0.1
    done
    fail "still not true after a minute: $3"
}

# await_done CANDIDATE: until the target has the row that was inserted last.
await_done() {
    local began
    began=$(now)
    # COMMIT in the loop: a transaction left open here would keep the server from pruning the rows that it
    # updates again and again, and slow it down manifold.
    until [ "$(sql target "by_$1" -c "DO \$\$ BEGIN
            FOR i IN 1..400 LOOP EXIT WHEN EXISTS (SELECT FROM done); COMMIT; PERFORM pg_sleep(0.005); END LOOP;
            END \$\$" -c 'SELECT EXISTS (SELECT FROM done)')" = t ]; do
        "$1_alive" || fail "$1 ended"
        [ "$(calculate "($(now) - $began < $patience_seconds)" %d)" -eq 1 ] || fail "not done after $patience_seconds s"
    done
}

# backlog CANDIDATE LOAD: two databases that are replicated but for what LOAD did to the source.
backlog() {
    fresh_pair "by_$1"
    "$1_prepare" "by_$1"
    "$2" "by_$1"
    sql source "by_$1" -c 'INSERT INTO done VALUES (1)'
    settle "by_$1"
}

remove_backlog() {
    "$1_stop" "by_$1"
    same "by_$1" "${replicated_tables[@]}"
    "$1_remove" "by_$1"
    drop_pair "by_$1"
}

# drained CANDIDATE FIGURE LOAD CHANGES: changes a second
drained() {
    local began took
    backlog "$1" "$3"
    began=$(now)
    "$1_start" "by_$1"
    await_done "$1"
    took=$(calculate "$(now) - $began" %.3f)
    remove_backlog "$1"
    record "$2" "$1" "$(calculate "$4 / $took" %d)"
}

# drain FIGURE LOAD CHANGES CANDIDATE…
drain() {
    local name
    for ((round = 1; round <= rounds; round++)); do
        for name in $(in_turn "${@:4}"); do attempt "$name" drained "$name" "$1" "$2" "$3"; done
    done
}

load_batches() {
    bench "$1" -c 1 -t 100 -D n=0 -D "total=$((bench_scale * 100000))" -D "rows=$batch_rows" -f "$parts/drain.sql"
}
load_tpcb() { bench "$1" -c 4 -j 2 -t "$((tpcb_transactions / 4))" -M prepared -b tpcb-like --random-seed 1; }
load_wide() { bench "$1" -c 1 -t 100 -D n=0 -D "rows=$wide_rows" -f "$parts/wide.sql"; }
load_hot() { bench "$1" -c 1 -t "$hot_transactions" -D n=0 -M prepared -f "$parts/hot.sql"; }

batch_rows=$(scaled 5000)
tpcb_transactions=$(scaled 100000)
wide_rows=$(scaled 2000)
hot_transactions=$(scaled 10000)
replicators=(tidemark logical pglogical slony bucardo)

part_big() {
    say 'drain: a backlog made by 100 transactions'
    figure big drain "$(grouped $((batch_rows * 100))) changes by 100 transactions" changes/s logical '>= 2'
    drain big load_batches $((batch_rows * 100)) "${replicators[@]}"
}

part_tpcb() {
    say "drain: a backlog of $tpcb_transactions TPC-B transactions"
    figure tpcb drain "$(grouped $((tpcb_transactions * 4))) changes by TPC-B transactions" changes/s logical '>= 3'
    drain tpcb load_tpcb $((tpcb_transactions * 4)) "${replicators[@]}"
}

part_wide() {
    # The first transaction finds nothing yet to update and delete.
    local changes=$((wide_rows * 100 - wide_rows * 4 / 10))
    say "drain: a backlog of $changes changes of rows of 1 kB"
    figure wide drain "$(grouped "$changes") changes of 1 kB by 100 transactions" changes/s logical -
    drain wide load_wide "$changes" tidemark logical
}

part_hot() {
    say "drain: a backlog of $hot_transactions transactions that update a hundred of the same thousand rows"
    figure hot drain "$(grouped $((hot_transactions * 100))) updates of 1,000 rows" changes/s logical '>= 20'
    drain hot load_hot $((hot_transactions * 100)) tidemark logical
}
