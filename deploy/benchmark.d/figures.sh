# Figures: what is measured is appended to a file, one line each, and read again by report.awk. Sourced by
# deploy/benchmark.

now() { printf '%s' "$EPOCHREALTIME"; }
# calculate EXPRESSION with awk, FORMAT
calculate() { awk "BEGIN { printf \"$2\", $1 }"; }
# scaled NUMBER
scaled() { calculate "$1 * $scale" %d; }
# grouped NUMBER: with commas
grouped() { sed -E ':a; s/^([0-9]+)([0-9]{3})/\1,\2/; ta' <<<"$1"; }
# at_least NUMBER NUMBER: the larger one
at_least() { if [ "$2" -lt "$1" ]; then printf '%s' "$1"; else printf '%s' "$2"; fi; }

# figure ID PART WHAT UNIT REFERENCE GOAL [ahead]: says what is about to be measured. With a REFERENCE, another
# candidate's id, the goal is one for tidemark's ratio to it, else for tidemark's figure; `-` is none. `ahead` asks
# besides that tidemark be better than every trigger-based peer.
figure() {
    local IFS=$'\t'
    grep -qs "^$1	" "$directory/figures" || printf '%s\n' "$*" >>"$directory/figures"
}

# record ID CANDIDATE VALUE, in the round at hand
record() {
    printf '%s\t%s\t%s\t%s\n' "$1" "$2" "$round" "$3" >>"$directory/results"
    # Not to stderr, which a candidate's commands have in a file.
    printf '%s, round %s: %s %s\n' "$1" "$round" "$2" "$3" >&3
}

# print_report table|markdown
print_report() {
    local name reason
    touch "$directory/figures" "$directory/results"
    for name in "${candidates[@]}"; do
        printf '%s\t%s\t%s\n' "$name" "${title[$name]}" "$(kind "$name")"
    done >"$directory/candidates"
    awk -F '\t' -v style="$1" -f "$parts/report.awk" "$directory/candidates" "$directory/figures" "$directory/results"
    if [ -f "$directory/left-out" ]; then
        printf '\nNot measured:\n'
        if [ "$1" = markdown ]; then printf '\n'; fi
        while IFS=$'\t' read -r name reason; do
            printf -- '- %s: %s\n' "${title[$name]}" "$reason"
        done <"$directory/left-out"
    fi
    printf '\n%s, SQLite %s, %s cores, scale %s, %s rounds; medians, and medians of each round'"'"'s ratio\n' \
        "$("$server/postgres" --version)" "$(sqlite3 --version | cut -d ' ' -f 1)" "$(nproc)" "$scale" "$rounds"
}

# per_second ID CANDIDATE BEGAN NUMBER: records how many of these there were a second, since then.
per_second() { record "$1" "$2" "$(calculate "$4 / ($(now) - $3)" %d)"; }

# alternate COMMAND COMMAND: both, in an order that alternates.
alternate() {
    if [ $((round % 2)) -eq 1 ]; then
        "$1"
        "$2"
    else
        "$2"
        "$1"
    fi
}
