# Who takes part, and how one that cannot does not hold up the others. Sourced by deploy/benchmark.
#
# A candidate NAME is a file with functions:
#
#   NAME_capture DATABASE   what it installs in the source; nothing reads what is captured
#   NAME_release DATABASE   undoes what would keep that database from being dropped
#   NAME_prepare DATABASE   source and target are replicated, and equal; the replicator is stopped
#   NAME_start DATABASE     starts the replicator
#   NAME_alive              whether it still runs; only if it is a process of its own
#   NAME_stop DATABASE      stops it
#   NAME_remove DATABASE    undoes what would keep the two databases from being dropped
#
# and the schema that its log is in, empty if it has none:
declare -A title=() log_schema=() packages=()
# The order of tables. The last three are what the databases can do themselves, in the parts that compare with that.
candidates=(uncaptured tidemark textbook slony bucardo pgq logical pglogical attach copy hash)
title[attach]=ATTACH
title[copy]="COPY piped"
title[hash]='sum of hashes'
# A peer of kind `trigger` captures as tidemark does, one of kind `log` reads the server's log.
kind() {
    case $1 in
        logical | pglogical) printf log ;;
        textbook | slony | bucardo | pgq) printf trigger ;;
        *) printf none ;;
    esac
}
pair_of() {
    case $1 in
        logical) printf decoding ;;
        pglogical) printf preloaded ;;
        *) printf plain ;;
    esac
}

# takes_part NAME: it was asked for, and did not fail yet.
takes_part() {
    local name
    ! grep -qs "^$1	" "$directory/left-out" || return 1
    for name in "${taking_part[@]}"; do
        if [ "$name" = "$1" ]; then return 0; fi
    done
    return 1
}

# in_turn NAME…: those of these that take part, beginning with another one in every round: what the machine does in a
# minute's cycle shall not always meet the same one.
in_turn() {
    local names=() name i
    for name in "$@"; do
        if takes_part "$name"; then names+=("$name"); fi
    done
    for ((i = 0; i < ${#names[@]}; i++)); do printf '%s\n' "${names[(i + round - 1) % ${#names[@]}]}"; done
}

leave_out() {
    printf '%s\t%s\n' "$1" "$2" >>"$directory/left-out"
    printf '%s takes no part any more: %s\n' "${title[$1]}" "$2" >&2
}

# attempt NAME COMMAND…: on the servers of this candidate. If a peer fails, that is noted, and the others go on
# without it; if tidemark fails, the run ends. Not to be called in a condition: there, no error ends the command.
attempt() {
    local name=$1 status pair log=$directory/$1.log
    shift
    if ! takes_part "$name"; then return; fi
    pair=$(pair_of "$name")
    set +e
    (set -e; "$@") 2>"$log"
    status=$?
    set -e
    if [ $status -eq 0 ]; then return; fi
    cat "$log" >&2
    if [ "$name" = tidemark ] || [ "$name" = uncaptured ]; then exit "$status"; fi
    leave_out "$name" "$1 failed: $(tail -n 1 "$log")"
    end_processes
}

# Processes ----------------------------------------------------------------------------------------------------
# A command of a candidate runs in a subshell, so what it starts is kept in files: the name is the candidate's.


# started NAME PID [GROUP]: a process, and its group, which is its own and has its number if none is given.
started() {
    mkdir -p "$directory/running"
    printf '%s\n%s\n' "$2" "${3:-$2}" >"$directory/running/$1.pid"
}
# pid_of NAME
pid_of() { head -n 1 "$directory/running/$1.pid"; }
# kill_group FILE
kill_group() {
    kill -9 -- "-$(tail -n 1 "$1")" 2>/dev/null || true
    rm -f "$1"
}
runs() { kill -0 "$(pid_of "$1")" 2>/dev/null; }
# end NAME: asks it to, and waits, but not for ever. Its exit status, if the shell that started it is this one.
end() {
    local pid tries status=0
    pid=$(pid_of "$1")
    kill -TERM "$pid" 2>/dev/null || true
    for ((tries = 0; tries < 300; tries++)); do
        if ! kill -0 "$pid" 2>/dev/null; then break; fi
        sleep 0.1
    done
    kill_group "$directory/running/$1.pid"
    wait "$pid" 2>/dev/null || status=$?
    return $status
}
# At the end of the run, or of a peer that failed.
end_processes() {
    local file
    for file in "$directory"/running/*.pid; do
        if [ -f "$file" ]; then kill_group "$file"; fi
    done
}

# Packages -----------------------------------------------------------------------------------------------------

installed() { dpkg-query -W -f '${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'; }

policy=/usr/sbin/policy-rc.d
remove_policy() {
    if [ -f "$directory/policy" ]; then "${as_root[@]}" rm -f "$policy" "$directory/policy"; fi
}
# Packages that are being installed ask this file whether they may start what they bring.
write_policy() {
    if [ -e "$policy" ]; then return; fi
    : >"$directory/policy"
    printf '#!/bin/sh\nexit 101\n' | "${as_root[@]}" tee "$policy" >/dev/null
    "${as_root[@]}" chmod 755 "$policy"
}

# install_packages NAME: from Debian, what is missing of what this peer needs. No service of theirs starts, now or at
# boot.
install_packages() {
    local package script missing=()
    for package in ${packages[$1]:-}; do
        if ! installed "$package"; then missing+=("$package"); fi
    done
    if [ ${#missing[@]} -eq 0 ]; then return; fi
    printf 'installing %s\n' "${missing[*]}" >&2
    command -v apt-get >/dev/null || fail "there is no apt-get here to install ${missing[*]} with"
    write_policy
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}" >&2
    remove_policy
    dpkg -L "${missing[@]}" | sed -n 's|^/etc/init\.d/||p' | while read -r script; do
        "${as_root[@]}" update-rc.d "$script" disable >&2
    done
}

# The candidates ------------------------------------------------------------------------------------------------

# shellcheck source=benchmark.d/peers/uncaptured.sh
. "$parts/peers/uncaptured.sh"
# shellcheck source=benchmark.d/peers/tidemark.sh
. "$parts/peers/tidemark.sh"
# shellcheck source=benchmark.d/peers/textbook.sh
. "$parts/peers/textbook.sh"
# shellcheck source=benchmark.d/peers/slony.sh
. "$parts/peers/slony.sh"
# shellcheck source=benchmark.d/peers/bucardo.sh
. "$parts/peers/bucardo.sh"
# shellcheck source=benchmark.d/peers/pgq.sh
. "$parts/peers/pgq.sh"
# shellcheck source=benchmark.d/peers/logical.sh
. "$parts/peers/logical.sh"
# shellcheck source=benchmark.d/peers/pglogical.sh
. "$parts/peers/pglogical.sh"
