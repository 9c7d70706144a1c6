title[tidemark]=tidemark
log_schema[tidemark]=tidemark

ends() { printf '%s\n' --source "$(connection source "$1")" --target "$(connection target "$1")"; }

# tidemark_command COMMAND DATABASE [options]: what it says is shown only if it fails.
tidemark_command() {
    local ends log=$directory/tidemark.log
    readarray -t ends < <(ends "$2")
    "$binary" "$1" "${ends[@]}" "${@:3}" >"$log" 2>&1 || { cat "$log" >&2; fail "tidemark $1 failed"; }
}

tidemark_capture() {
    fresh target "$1"
    tidemark_command setup "$1"
}
tidemark_adapt() { tidemark_command setup "$1"; }
tidemark_release() { drop target "$1"; }

tidemark_prepare() { tidemark_command setup "$1"; }
# start_worker DATABASE [run's options]
start_worker() {
    local ends
    readarray -t ends < <(ends "$1")
    setsid "$binary" run "${ends[@]}" "${@:2}" >/dev/null 2>"$directory/worker.log" &
    started tidemark $!
}
tidemark_start() { start_worker "$1" --no-copy; }
tidemark_alive() { runs tidemark || { tail -n 3 "$directory/worker.log" >&2; return 1; }; }
tidemark_stop() { end tidemark || { tail -n 3 "$directory/worker.log" >&2; fail 'the worker failed'; }; }
tidemark_remove() { :; }
