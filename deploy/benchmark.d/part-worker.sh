# idle, busy, memory: what a running pipeline takes of the machine.

# CPU time of these processes so far, in clock ticks; those that have ended count nothing.
ticks() {
    local pid
    for pid in "$@"; do
        cat "/proc/$pid/stat" 2>/dev/null || true
    done | awk '{ sub(/^.*\) /, ""); total += $12 + $13 } END { print total + 0 }'
}

# backends DATABASE: the servers' processes that serve it, on both sides, but for the one that asks.
backends() {
    on_both "$1" -c 'SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()'
}

position() { sql "$1" postgres -c 'SELECT pg_current_wal_insert_lsn()'; }

# The worker's peak of resident memory, in MB.
worker_peak() { awk '/^VmHWM:/ { printf "%.1f", $2 / 1024 }' "/proc/$(pid_of tidemark)/status"; }

# share TICKS-BEFORE TICKS-AFTER SECONDS: % of a core
share() { calculate "($2 - $1) * 100 / $3 / $(getconf CLK_TCK)" %.3f; }

watch_idle() {
    local pid serving worker_before serving_before written
    fresh_pair by_tidemark
    tidemark_prepare by_tidemark
    tidemark_start by_tidemark
    # Until the servers, too, have nothing more to do: within 15 s of the last change they note which transactions run.
    sleep 20
    pid=$(pid_of tidemark)
    readarray -t serving < <(backends by_tidemark)
    written=$(position target)
    worker_before=$(ticks "$pid")
    serving_before=$(ticks "${serving[@]}")
    sleep "$idle_seconds"
    record idle tidemark "$(share "$worker_before" "$(ticks "$pid")" "$idle_seconds")"
    record idle_serving tidemark "$(share "$serving_before" "$(ticks "${serving[@]}")" "$idle_seconds")"
    record idle_written tidemark "$(sql target postgres -c "SELECT pg_current_wal_insert_lsn() - '$written'::pg_lsn")"
    tidemark_stop
    drop_pair by_tidemark
}

part_idle() {
    local idle_seconds
    idle_seconds=$(at_least 10 "$(scaled 30)")
    say "idle: a pipeline with nothing to do, for $idle_seconds s"
    figure idle worker 'idle worker, of a core' % - '< 0.5'
    figure idle_serving worker "the servers' processes that serve it, of a core" % - -
    figure idle_written worker "written to the target's WAL in $idle_seconds s" bytes - '= 0'
    round=1
    start_pair
    # A vacuum would write, and is not the pipeline's.
    autovacuum target off
    attempt tidemark watch_idle
    autovacuum target on
}

# busy FIGURE LOAD CHANGES: CPU seconds for a million changes
busy() {
    local pid serving worker_ticks serving_ticks million
    backlog tidemark "$2"
    tidemark_start by_tidemark
    await_done tidemark
    pid=$(pid_of tidemark)
    readarray -t serving < <(backends by_tidemark)
    worker_ticks=$(ticks "$pid")
    serving_ticks=$(ticks "${serving[@]}")
    million="1000000 / $3 / $(getconf CLK_TCK)"
    record "$1" tidemark "$(calculate "$worker_ticks * $million" %.3f)"
    record "$1_serving" tidemark "$(calculate "$serving_ticks * $million" %.3f)"
    remove_backlog tidemark
}

part_busy() {
    say 'busy: CPU time for a million changes'
    figure busy_big worker 'CPU time of a worker for 1,000,000 changes, big' s - -
    figure busy_big_serving worker "CPU time of the servers' processes for these" s - -
    figure busy_tpcb worker 'CPU time of a worker for 1,000,000 changes, TPC-B' s - -
    figure busy_tpcb_serving worker "CPU time of the servers' processes for these" s - -
    round=1
    attempt tidemark busy busy_big load_batches $((batch_rows * 100))
    attempt tidemark busy busy_tpcb load_tpcb $((tpcb_transactions * 4))
}

# peak FIGURE LOAD: the worker's peak while it applies the backlog of LOAD
peak() {
    backlog tidemark "$2"
    tidemark_start by_tidemark
    await_done tidemark
    record "$1" tidemark "$(worker_peak)"
    remove_backlog tidemark
}

load_one_transaction() {
    sql source "$1" -c "INSERT INTO pgbench_accounts
        SELECT 10000000 + i, 1, i, 'x' FROM generate_series(1, $(scaled 2000000)) i"
}

part_memory() {
    say "memory: one transaction of $(scaled 2000000) rows, and a backlog of $((batch_rows * 100)) changes"
    figure memory_transaction worker "peak, one transaction of $(grouped "$(scaled 2000000)") rows" MB - '< 48'
    figure memory_backlog worker "peak, a backlog of $(grouped $((batch_rows * 100))) changes" MB - '< 48'
    round=1
    attempt tidemark peak memory_transaction load_one_transaction
    attempt tidemark peak memory_backlog load_batches
}
