# Slony-I: triggers in C, two daemons, one for each node.
title[slony]=Slony-I
log_schema[slony]=_bench
packages[slony]="postgresql-$version-slony1-2 slony1-2-bin"

# slonik DATABASE, the script after its preamble from stdin
slonik_script() {
    local log=$directory/slonik.log
    {
        printf 'cluster name = bench;\n'
        printf "node 1 admin conninfo = '%s';\n" "$(connection source "$1")"
        printf "node 2 admin conninfo = '%s';\n" "$(connection target "$1")"
        cat
    } | PATH=$server:$PATH slonik >"$log" 2>&1 || { cat "$log" >&2; fail 'slonik failed'; }
}

# The triggers come with the tables of a set, whether somebody has subscribed to it or not.
slony_capture() {
    local table id=0
    {
        printf "init cluster (id = 1, comment = 'source');\n"
        printf "create set (id = 1, origin = 1, comment = 'all tables');\n"
        for table in $(sql source "$1" -c "SELECT relname FROM pg_class
                WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1"); do
            id=$((id + 1))
            printf "set add table (set id = 1, origin = 1, id = %s, fully qualified name = 'public.%s');\n" $id "$table"
        done
    } | slonik_script "$1"
}
slony_release() { :; }

slony_prepare() {
    slony_capture "$1"
    slonik_script "$1" <<SLONIK
store node (id = 2, comment = 'target', event node = 1);
store path (server = 1, client = 2, conninfo = '$(connection source "$1")');
store path (server = 2, client = 1, conninfo = '$(connection target "$1")');
SLONIK
    slony_start "$1"
    slonik_script "$1" <<SLONIK
subscribe set (id = 1, provider = 1, receiver = 2, forward = no, omit copy = yes);
wait for event (origin = 1, confirmed = 2, wait on = 1, timeout = 60);
sync (id = 1);
wait for event (origin = 1, confirmed = 2, wait on = 1, timeout = 60);
SLONIK
    slony_stop "$1"
}
# Looks for something to send each 100 ms instead of each 2 s.
slony_start() {
    setsid slon -s 100 bench "$(connection source "$1")" >"$directory/slon-1.log" 2>&1 &
    started slony-1 $!
    setsid slon -s 100 bench "$(connection target "$1")" >"$directory/slon-2.log" 2>&1 &
    started slony-2 $!
}
slony_alive() { runs slony-1 && runs slony-2; }
slony_stop() {
    end slony-1 || true
    end slony-2 || true
}
slony_remove() { :; }
