# sqlite: a backlog of 100 transactions, and the same rows by INSERT … SELECT … ON CONFLICT DO UPDATE through
# ATTACH.

account_table='CREATE TABLE account (aid INTEGER PRIMARY KEY, bid INTEGER NOT NULL, abalance INTEGER, filler TEXT)'

# sqlite_source FILE ROWS: a new database with as many rows
sqlite_source() {
    sqlite3 "$1" "PRAGMA journal_mode = WAL; $account_table;
        WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
        INSERT INTO account SELECT i, 1, 0, printf('%-84s', '') FROM n" >/dev/null
}

# same_accounts SOURCE REPLICA
same_accounts() {
    [ "$(sqlite3 "$1" '.sha3sum account')" = "$(sqlite3 "$2" '.sha3sum account')" ] || fail "$2 differs"
}

# Four fifths of the rows are there already; every one changes once.
sqlite_backlog() {
    local n
    rm -rf "$sqlite"
    mkdir "$sqlite"
    sqlite_source "$sqlite/source.db" $((sqlite_rows * 4 / 5))
    sqlite3 "$sqlite/source.db" ".backup $sqlite/replica.db" ".backup $sqlite/copy.db"
    sqlite3 "$sqlite/replica.db" 'PRAGMA journal_mode = WAL' >/dev/null
    sqlite3 "$sqlite/copy.db" 'PRAGMA journal_mode = WAL' >/dev/null
    "$binary" setup --source "sqlite:$sqlite/source.db" --target "sqlite:$sqlite/replica.db" >/dev/null
    for ((n = 0; n < 100; n++)); do
        printf 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
            INSERT INTO account SELECT %d + i, 1, %d, printf('"'%%-84s', 'changed'"') FROM n WHERE true
            ON CONFLICT (aid) DO UPDATE SET abalance = excluded.abalance, filler = excluded.filler;\n' \
            $((sqlite_rows / 100)) $((n * sqlite_rows / 100)) "$n"
    done | sqlite3 "$sqlite/source.db"
    sync
}

sqlite_by_tidemark() {
    local began
    began=$(now)
    "$binary" run --once --no-copy --source "sqlite:$sqlite/source.db" --target "sqlite:$sqlite/replica.db" >/dev/null
    per_second sqlite tidemark "$began" "$sqlite_rows"
    same_accounts "$sqlite/source.db" "$sqlite/replica.db"
}

sqlite_attached() {
    local began
    began=$(now)
    sqlite3 "$sqlite/source.db" "ATTACH '$sqlite/copy.db' AS copy;
        INSERT INTO copy.account SELECT * FROM main.account WHERE true
        ON CONFLICT (aid) DO UPDATE SET bid = excluded.bid, abalance = excluded.abalance, filler = excluded.filler"
    per_second sqlite attach "$began" "$sqlite_rows"
}

part_sqlite() {
    local sqlite=$directory/sqlite sqlite_rows
    sqlite_rows=$(scaled 500000)
    say "sqlite: $sqlite_rows rows by 100 transactions"
    figure sqlite sqlite "backlog of $(grouped "$sqlite_rows") changes, SQLite to SQLite" changes/s attach '>= 0.6'
    for ((round = 1; round <= rounds; round++)); do
        sqlite_backlog
        alternate sqlite_by_tidemark sqlite_attached
    done
    rm -rf "$sqlite"
}
