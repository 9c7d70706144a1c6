# copy: rows that are there already, beside what the databases have for that themselves.

# accounts SIDE DATABASE STEPS SCALE: a new database with pgbench's tables, made by these of pgbench's steps.
accounts() {
    drop "$1" "$2"
    sql "$1" postgres -c "CREATE DATABASE $2"
    "$server/pgbench" -i -q -I "$3" -s "$4" "$(connection "$1" "$2")" >/dev/null 2>&1
    sql "$1" "$2" -c 'VACUUM (FREEZE, ANALYZE)' -c CHECKPOINT
}

copy_begin() {
    accounts target copied dtp "$copy_scale"
    tidemark_command setup copied --table public.pgbench_accounts
}

copy_by_tidemark() {
    local began
    copy_begin
    began=$(now)
    tidemark_command run copied --once --no-verify
    per_second copy tidemark "$began" "$copy_rows"
    same copied pgbench_accounts
    tidemark_command teardown copied
}

copy_by_psql() {
    local began
    accounts target by_psql dtp "$copy_scale"
    began=$(now)
    sql source copied -c 'COPY pgbench_accounts TO STDOUT' | sql target by_psql -c 'COPY pgbench_accounts FROM STDIN'
    per_second copy copy "$began" "$copy_rows"
}

# The peak of a worker that copies.
copy_peak() {
    copy_begin
    start_worker copied --no-verify
    until grep -qs 'copied table' "$directory/worker.log"; do
        tidemark_alive || fail 'the worker ended'
        sleep 0.2
    done
    record copy_memory tidemark "$(worker_peak)"
    tidemark_stop
    tidemark_command teardown copied
}

# Both targets are in WAL mode, empty, and have the table.
empty_replica() {
    rm -f "$1" "$1-wal" "$1-shm"
    sqlite3 "$1" "PRAGMA journal_mode = WAL; $account_table" >/dev/null
    sync
}

copy_sqlite_by_tidemark() {
    local began ends=(--source "sqlite:$sqlite/source.db" --target "sqlite:$sqlite/replica.db")
    empty_replica "$sqlite/replica.db"
    "$binary" setup "${ends[@]}" >/dev/null
    began=$(now)
    "$binary" run --once --no-verify "${ends[@]}" >/dev/null
    per_second copy_sqlite tidemark "$began" "$sqlite_rows"
    same_accounts "$sqlite/source.db" "$sqlite/replica.db"
    "$binary" teardown "${ends[@]}" >/dev/null
}

copy_sqlite_attached() {
    local began
    empty_replica "$sqlite/attached.db"
    began=$(now)
    sqlite3 "$sqlite/source.db" "ATTACH '$sqlite/attached.db' AS copy;
        INSERT INTO copy.account SELECT * FROM main.account"
    per_second copy_sqlite attach "$began" "$sqlite_rows"
}

part_copy() {
    local copy_rows copy_scale sqlite_rows sqlite=$directory/sqlite
    copy_scale=$(scaled 20)
    copy_rows=$((copy_scale * 100000))
    sqlite_rows=$(scaled 1000000)
    figure copy copy "copy of $(grouped "$copy_rows") rows, PostgreSQL to PostgreSQL" rows/s copy '>= 0.8'
    figure copy_memory copy 'peak of that worker' MB - '< 48'
    figure copy_sqlite copy "copy of $(grouped "$sqlite_rows") rows, SQLite to SQLite" rows/s attach '>= 0.5'

    say "copy: $copy_rows rows that are there already, and COPY … TO STDOUT | COPY … FROM STDIN"
    start_pair
    accounts source copied dtgp "$copy_scale"
    for ((round = 1; round <= rounds; round++)); do alternate copy_by_tidemark copy_by_psql; done
    round=1
    copy_peak
    drop_pair copied
    drop target by_psql

    say "copy: $sqlite_rows rows of SQLite, and INSERT … SELECT through ATTACH"
    rm -rf "$sqlite"
    mkdir "$sqlite"
    sqlite_source "$sqlite/source.db" "$sqlite_rows"
    for ((round = 1; round <= rounds; round++)); do alternate copy_sqlite_by_tidemark copy_sqlite_attached; done
    rm -rf "$sqlite"
}
