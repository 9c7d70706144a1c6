# verify: equal rows compared, beside a sum of hashes of either side.

verify_by_tidemark() {
    local began
    began=$(now)
    tidemark_command verify verified
    per_second verify tidemark "$began" "$verify_rows"
}

# What a DBA would type: one figure of each side, which says that they differ, but not where.
verify_by_hash() {
    local began side
    began=$(now)
    for side in source target; do
        sql $side verified -c 'SELECT count(*), sum(hashtext(t::text)) FROM pgbench_accounts t' >/dev/null
    done
    per_second verify hash "$began" "$verify_rows"
}

part_verify() {
    local verify_scale verify_rows side
    verify_scale=$(scaled 10)
    verify_rows=$((verify_scale * 100000))
    # Not more than three times as long.
    figure verify verify "verify of $(grouped "$verify_rows") equal rows, PostgreSQL" rows/s hash '>= 0.33'
    say "verify: $verify_rows equal rows, and a sum of hashes of either side"
    start_pair
    for side in source target; do accounts $side verified dtgp "$verify_scale"; done
    tidemark_command setup verified --table public.pgbench_accounts
    tidemark_command run verified --once --no-copy
    for ((round = 1; round <= rounds; round++)); do alternate verify_by_tidemark verify_by_hash; done
    drop_pair verified
}
