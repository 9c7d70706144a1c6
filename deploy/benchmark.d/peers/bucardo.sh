# Bucardo: triggers that log the key, and daemons that read the rows. It keeps its settings in a database of its own,
# here on the target's server, so that the source bears no more than the triggers.
title[bucardo]=Bucardo
log_schema[bucardo]=bucardo
packages[bucardo]="bucardo postgresql-plperl-$version libdbd-pg-perl"

# bucardo_command [arguments]
bucardo_command() {
    local work=$directory/bucardo log=$directory/bucardo/command.log
    (cd "$work" && PGBINDIR=$server bucardo --no-bucardorc --batch --dbhost "$(home target)" --dbport 5432 \
        --piddir "$work" --logdest "$work" "$@") >"$log" 2>&1 || { cat "$log" >&2; fail 'bucardo failed'; }
}

# bucardo_set_up DATABASE, which both sides have
bucardo_set_up() {
    local side
    rm -rf "$directory/bucardo"
    mkdir "$directory/bucardo"
    drop target bucardo
    bucardo_command --dbname postgres --dbuser postgres install
    bucardo_command set "reason_file=$directory/bucardo/reason.txt"
    for side in source target; do
        bucardo_command add database "$side" "dbname=$1" "host=$(home $side)" port=5432 user=postgres
    done
    bucardo_command add all tables --db source --relgroup all
    bucardo_command add sync bench relgroup=all dbs=source:source,target:target
}

bucardo_capture() {
    fresh target "$1"
    bucardo_set_up "$1"
}
bucardo_release() { drop target "$1"; }

bucardo_prepare() { bucardo_set_up "$1"; }
bucardo_start() {
    local pid
    bucardo_command start
    pid=$(head -n 1 "$directory/bucardo/bucardo.mcp.pid")
    started bucardo "$pid" "$(ps -o pgid= -p "$pid" | tr -d ' ')"
}
bucardo_alive() { runs bucardo; }
bucardo_stop() {
    bucardo_command stop
    end bucardo || true
}
bucardo_remove() { :; }
