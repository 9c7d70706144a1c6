/// A configuration to begin with. It can be used as it is: what is commented out shows the rest.
package enum ExampleConfiguration {
    package static let text = """
        # tidemark: pipelines, and the service that runs them (tidemark serve).
        # Check it with: tidemark config check --config FILE

        service:
          # Where the API, the dashboard and /metrics are; none for nowhere.
          listen: 127.0.0.1:7788
          # Other machines reach it only with TLS and tokens:
          # listen: 0.0.0.0:7788
          # tls:
          #   certificate: /etc/tidemark/tls.crt
          #   key: /etc/tidemark/tls.key
          # tokens:                          # role: read, operate or admin
          #   - {name: grafana, role: read, token-file: /etc/tidemark/grafana.token}
          #   - {name: ops, role: admin, token-env: TIDEMARK_OPS_TOKEN}
          state: /var/lib/tidemark           # where tasks are kept
          # audit-log: /var/log/tidemark/audit.log
          log: console                       # console or json
          log-level: info                    # trace, debug, info, notice, warning, error or critical
          status-every: 5s                   # how often databases are asked
          lease: 10s                         # after so long without a word, another service takes over
          heartbeat: 10s                     # a row at each source, to measure the way to its targets; or off
          stop-within: 20s                   # at its end, what hangs longer is given up; less than TimeoutStopSec of the unit

        # What each pipeline has unless it says something else.
        defaults:
          on-failure: stop                   # stop, retry or set-aside
          verify: after-copy                 # after-copy, continuously or never
          wait: asynchronous                 # asynchronous, synchronous or hybrid: see tidemark.wait_for()
          # wait-tables: [public.payment]    # with wait: hybrid: the tables that are waited for
          # max-rate: 50000                  # with verify: continuously: rows to compare a second
          # jobs: 2                          # parts of tables that are copied at a time

        pipelines:
          shop:
            # Keep passwords in ~/.pgpass or a libpq service, or write ${NAME} for an environment variable.
            source: postgresql://tidemark@db1/shop
            target: postgresql://tidemark@db2/shop
            # target:
            #   url: postgresql://tidemark@db2/shop
            #   password-file: /run/secrets/shop
            # tables: ["public.*"]           # every user table unless said
            # tables:                        # or each with keys of its own
            #   - public.customer:
            #       where: region = 'EU'
            #       columns: [id, email]     # or: omit: [notes]
            #       set: {email: md5(email)}
            #       rename: {email: email_hash}
            #       to: crm.customer
            #   - public.orders:
            #       mode: incremental        # realtime, full, skip-completed or incremental
            #       by: updated_at
            #       strategy: timestamp      # auto-increment or version
            #       start: 2026-01-01
            #       overlap: 60s
            #       condition: id > 0
            #       deletes: 1d              # how often keys are compared
            #       every: 10s
            #   - public.*:
            #       mode: full
            #       cron: "0 3 * * *"
            #       batch: 10000
            #       on-error: skip           # stop, skip or retry
            # conflict:                      # the target is written by others, too: what becomes of rows that both ends changed
            #   last-write-wins: updated_at  # or source-wins, target-wins, stop; highest-version: version; custom: SQL
            # conflict:
            #   merge: updated_at            # column by column
            #   columns: {stock: add, tags: json, phone: fill, email: {newest: email_at}, note: {custom: source.note}}
            #   site: site                   # which of two counts that are the same
            # two-way: true                  # and pipeline shop-back, from the target to the source
            # pass-on: true                  # what tidemark applied to the source goes on, too
            # sites: 1 of 2                  # sequences give every second number; or: range 1-999999999
            # rename-schemas: {public: crm}
            # tenants: {column: tenant_id, values: [north, south]}   # shop.north and shop.south; {tenant} in target:, rename-schemas: and to:
            # exclude: [public.audit]
            # create: true                   # make tables that the target lacks
            # existing: refuse               # rows that the target holds before the copy: refuse, empty or merge
            # copy: false                    # the target's tables are loaded already
            # role: replica                  # or feed, to which others may write
            # delay: 30m                     # stay behind on purpose
            # capture: auto                  # row, statement or auto
            # image: both                    # log rows also as they were before, for rewind
            # require-key: true              # refuse tables without a key
            # capture-replica-role: true
            retain: 24h                      # of the log, behind what is applied
            max-log-size: 20GB
            at-max-log-size: warn            # warn, drop or stop

        """
}
