# wait: how long a writer waits until its target has it, by wait_for after its commit; beside the commit alone.

# commits NAME: times of transactions at that rate, from their schedule to their end.
commits() {
    local p50 p99 log=$directory/wait
    rm -f "$log".*
    pgbench_with '' waited -M prepared -c 8 -j 1 -R "$wait_rate" -T "$wait_seconds" -l --log-prefix="$log" -f "$directory/$1.sql"
    read -r p50 p99 < <(cat "$log".* | awk '{ print $3 / 1000 }' | sort -n |
        awk '{ v[NR] = $1 } END { printf "%.1f %.1f\n", v[int((NR + 1) / 2)], v[int(NR * 0.99 + 0.5)] }')
    record "$1_p50" tidemark "$p50"
    record "$1_p99" tidemark "$p99"
}

part_wait() {
    local wait_rate=200 wait_seconds name
    wait_seconds=$(at_least 6 "$(scaled 20)")
    figure commit_p50 wait 'a commit alone, 200/s, p50' ms - -
    figure commit_p99 wait 'a commit alone, 200/s, p99' ms - -
    figure waiting_p50 wait 'a commit and its wait_for, 200/s, p50' ms - -
    figure waiting_p99 wait 'a commit and its wait_for, 200/s, p99' ms - -
    printf '%s\n' '\set id random(1, 100000)' 'INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (1, 1, :id, 1, now());' >"$directory/commit.sql"
    { cat "$directory/commit.sql"; printf '%s\n' "SELECT tidemark.wait_for('main', '60 s');"; } >"$directory/waiting.sql"
    start_pair
    fresh_pair waited
    tidemark_command setup waited --table public.pgbench_history
    start_worker waited --no-copy --wait synchronous
    sql source waited -c "SELECT tidemark.wait_for('main', '60 s')" >/dev/null
    for ((round = 1; round <= rounds; round++)); do
        say "wait: $wait_rate transactions a second for $wait_seconds s, round $round"
        for name in commit waiting; do commits "$name"; done
    done
    tidemark_stop
    drop_pair waited
}
