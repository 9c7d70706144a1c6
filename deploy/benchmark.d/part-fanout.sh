# fanout: what eight targets of one source cost it: pipelines of one process, which read its log together, beside eight
# processes, which read it each by itself.
fan_targets=8

# fan_start together|apart: the pipelines of the configuration; adds to pids.
fan_start() {
    local target
    if [ "$1" = together ]; then
        setsid "$binary" run --no-copy --config "$directory/fanned.yaml" >/dev/null 2>"$directory/worker.log" &
        started fanned $!
        pids+=("$!")
        return
    fi
    for ((target = 1; target <= fan_targets; target++)); do
        setsid "$binary" run --no-copy --config "$directory/fanned.yaml" --pipeline "p$target" >/dev/null 2>"$directory/worker.log" &
        started "fanned_$target" $!
        pids+=("$!")
    done
}

fan_stop() {
    local file
    for file in "$directory"/running/fanned*.pid; do end "$(basename "$file" .pid)" || fail 'a worker failed'; done
}

# Until every target has as many rows, with the same sum, as the source.
fan_await() {
    local target wanted sum='SELECT count(*), sum(delta) FROM pgbench_history'
    wanted=$(sql source fanned -c "$sum")
    for ((target = 1; target <= fan_targets; target++)); do
        until [ "$(sql target "fanned_$target" -c "$sum")" = "$wanted" ]; do sleep 0.05; done
    done
}

# fan together|apart
fan() {
    local target pids=() serving worker_before serving_before written million
    fresh source fanned
    printf 'pipelines:\n' >"$directory/fanned.yaml"
    for ((target = 1; target <= fan_targets; target++)); do
        fresh target "fanned_$target"
        printf '  p%s:\n    source: "postgresql:///fanned?host=%s&user=postgres"\n    target: "postgresql:///fanned_%s?host=%s&user=postgres"\n' \
            "$target" "$(home source)" "$target" "$(home target)" >>"$directory/fanned.yaml"
    done
    "$binary" setup --config "$directory/fanned.yaml" >"$directory/tidemark.log" 2>&1 || { cat "$directory/tidemark.log" >&2; fail 'tidemark setup failed'; }
    fan_start "$1"
    bench fanned -c 4 -t 100
    fan_await
    readarray -t serving < <(sql source fanned -c 'SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()')
    worker_before=$(ticks "${pids[@]}")
    serving_before=$(ticks "${serving[@]}")
    written=$(position source)
    pgbench_with '' fanned -M prepared -c 4 -j 1 -R "$fan_rate" -T "$fan_seconds"
    fan_await
    million="1000000 / ($fan_rate * 4 * $fan_seconds) / $(getconf CLK_TCK)"
    record "fan_source_$1" tidemark "$(calculate "($(ticks "${serving[@]}") - $serving_before) * $million" %.3f)"
    record "fan_worker_$1" tidemark "$(calculate "($(ticks "${pids[@]}") - $worker_before) * $million" %.3f)"
    record "fan_written_$1" tidemark "$(sql source postgres -c "SELECT ((pg_current_wal_insert_lsn() - '$written'::pg_lsn) / ($fan_rate * $fan_seconds))::int")"
    fan_stop
    fan_backlog "$1"
    drop source fanned
    for ((target = 1; target <= fan_targets; target++)); do drop target "fanned_$target"; done
}

# fan_backlog together|apart: until all eight have what came while none of them ran.
fan_backlog() {
    local pids=() serving began million
    bench fanned -c 4 -t "$fan_transactions"
    began=$(now)
    fan_start "$1"
    fan_await
    record "fan_drained_$1" tidemark "$(calculate "$(now) - $began" %.3f)"
    readarray -t serving < <(sql source fanned -c 'SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()')
    million="1000000 / ($fan_transactions * 16) / $(getconf CLK_TCK)"
    record "fan_drain_source_$1" tidemark "$(calculate "$(ticks "${serving[@]}") * $million" %.3f)"
    fan_stop
}

fan_together() { fan together; }
fan_apart() { fan apart; }

part_fanout() {
    local fan_seconds fan_transactions fan_rate=400 how name
    fan_seconds=$(at_least 5 "$(scaled 20)")
    fan_transactions=$(at_least 1000 "$(scaled 10000)")
    for how in 'together one process' 'apart eight processes'; do
        name=${how%% *}
        figure "fan_source_$name" fanout "source's CPU time per million changes at $fan_rate/s, ${how#* }" s - -
        figure "fan_worker_$name" fanout "workers' CPU time per million changes at $fan_rate/s, ${how#* }" s - -
        figure "fan_written_$name" fanout "source's WAL per transaction, ${how#* }" bytes - -
        figure "fan_drained_$name" fanout "a backlog of $(grouped $((fan_transactions * 16))) changes, ${how#* }" s - -
        figure "fan_drain_source_$name" fanout "source's CPU time per million changes of it, ${how#* }" s - -
    done
    start_pair
    for ((round = 1; round <= rounds; round++)); do
        say "fanout: $fan_targets targets, $fan_rate transactions a second for $fan_seconds s, then a backlog, round $round"
        alternate fan_together fan_apart
    done
}
