/// Every figure that tidemark gives to Prometheus. What is not here is not exported, not alerted on and not drawn.
///
/// A series is absent while its value is not known.
package enum MetricCatalog {
    private static func gauge(_ name: String, _ help: String, _ labels: [String] = []) -> Metric {
        Metric(.gauge, "tidemark_pipeline_\(name)", help, labels: ["pipeline"] + labels)
    }

    private static func counter(_ name: String, _ help: String, _ labels: [String] = []) -> Metric {
        Metric(.counter, "tidemark_pipeline_\(name)", help, labels: ["pipeline"] + labels)
    }

    // The process.
    package static let build = Metric(.gauge, "tidemark_build_info", "1; the version is a label.", labels: ["version"])
    package static let ready = Metric(.gauge, "tidemark_service_ready", "1 when the service does what it is there for, as /ready says.")
    package static let pipelines = Metric(.gauge, "tidemark_pipelines", "Pipelines of the configuration.")
    package static let leading = Metric(.gauge, "tidemark_pipelines_leading", "Pipelines that this process leads.")
    package static let processStart = Metric(.gauge, "process_start_time_seconds", "When the process began, since 1970.")
    package static let processCPU = Metric(.counter, "process_cpu_seconds_total", "Processor time used, in user and system mode.")
    package static let processResident = Metric(.gauge, "process_resident_memory_bytes", "Memory in use.")
    package static let processVirtual = Metric(.gauge, "process_virtual_memory_bytes", "Address space in use.")
    package static let processFiles = Metric(.gauge, "process_open_fds", "Open file descriptors.")
    package static let processMaxFiles = Metric(.gauge, "process_max_fds", "How many file descriptors may be open.")
    package static let processThreads = Metric(.gauge, "process_threads", "Threads.")

    // How a pipeline is.
    package static let info = gauge(
        "info", "1; the addresses, without secrets, and what is done on failure are labels.", ["source", "target", "on_failure"])
    package static let health = gauge("health", "1 for the health that it has: failed, attention, behind, paused, unknown or well.", ["health"])
    package static let activity = gauge(
        "activity", "1 for what this process does about it: starting, standby, following, copying, paused, backing off, stopped or stopping.", ["activity"])
    package static let state = gauge(
        "state", "1 for what the databases say of it: current, behind, copying, paused, blocked, unreachable or not set up.", ["state"])
    package static let statusAge = gauge("status_age_seconds", "How long ago the databases were asked last.")
    package static let role = gauge("role", "1 for the role that a database has: primary, replica or fenced; side is source or target.", ["side", "role"])
    package static let guarded = gauge("replica_guarded", "1 where nobody but the pipeline can write to the replica's tables, 0 where others can.")

    // How far behind it is.
    package static let lagChanges = gauge("lag_changes", "Changes that wait to be applied.")
    package static let lagTransactions = gauge("lag_transactions", "Transactions that wait to be applied.")
    package static let lagBytes = gauge("lag_bytes", "Bytes of the log that wait to be applied.")
    package static let lagSeconds = gauge("lag_seconds", "The age of the oldest change that waits; 0 where none does.")
    package static let delay = gauge("delay_seconds", "How far it stays behind on purpose.")
    package static let endToEnd = gauge("end_to_end_seconds", "From the last heartbeat written at the source to its row durable in the target.")
    package static let snapshotTaken = gauge("snapshot_timestamp_seconds", "When the source was as the target is now, by the source's clock, since 1970.")
    package static let sourceSeen = gauge("source_seen_timestamp_seconds", "When the target last heard of the source, by the source's clock, since 1970.")

    // What it does.
    package static let appliedChanges = counter("applied_changes_total", "Changes applied by this process.")
    package static let appliedBytes = counter("applied_bytes_total", "Bytes applied by this process.")
    package static let readByOthers = counter(
        "changes_read_by_others_total", "Changes that another pipeline of this process had read from the log, so that this one did not.")
    package static let windows = counter("windows_total", "Windows applied by this process.")
    package static let lastWindowChanges = gauge("last_window_changes", "Changes of the last window.")
    package static let lastWindowSeconds = gauge("last_window_seconds", "How long the last window took.")
    package static let acknowledge = gauge(
        "acknowledge_seconds", "From the last window durable in the target that the source was told of to its knowing so: what tidemark.wait_for() waits for.")
    package static let applyRate = gauge("applied_changes_per_second", "Changes applied per second, over the last few seconds.")
    package static let captureRate = gauge("captured_changes_per_second", "Changes captured per second, over the last few seconds, without this process's heartbeats.")
    package static let appliedID = gauge("applied_change_id", "The highest change id that the target has.")
    package static let sourceID = gauge("source_change_id", "The highest change id drawn at the source.")
    package static let appliedAt = gauge("applied_timestamp_seconds", "When the cursor last moved, since 1970.")

    // What goes wrong.
    package static let errors = counter(
        "errors_total", "Failures by kind: connection, conflict, data, configuration, rights, source, target or other.", ["kind"])
    package static let failures = gauge("consecutive_failures", "How often in a row it has failed.")
    package static let lastError = gauge("last_error_timestamp_seconds", "When it last failed, since 1970.")
    package static let parkedTransactions = gauge("parked_transactions", "Transactions that are set aside.")
    package static let parkedChanges = gauge("parked_changes", "Changes that are set aside, with those that wait for them.")
    package static let notExact = gauge("not_exact_tables", "Tables that are not exact because of changes that are set aside.")

    package static let conflicts = counter(
        "conflicts_total", "Rows that both ends had changed, decided at the target while this process watched; absent without conflict:.")

    // The change log at the source.
    package static let logBytes = gauge("log_bytes", "The size of the source's change log, whoever reads it.")
    package static let logChanges = gauge("log_changes", "Changes in the source's change log, an estimate.")
    package static let logMaxBytes = gauge("log_max_bytes", "The cap of the change log; absent where it has none.")
    package static let logFullIn = gauge("log_full_in_seconds", "When the log will have reached its cap, at the rate of the last hour; absent where it does not grow.")
    package static let captureStopped = gauge("capture_stopped", "1 where capture was stopped because the log reached its cap.")
    package static let givenUp = gauge("given_up", "1 where the pipeline was given up because the log reached its cap.")

    // Its tables.
    package static let tables = gauge("tables", "Tables of the pipeline.")
    package static let copyTables = gauge("copy_tables", "Tables whose copy is waiting, copying or done.", ["state"])
    package static let copyProgress = gauge("copy_progress_ratio", "How much of the tables is copied, of 1; an estimate until it is 1.")
    package static let copiedRows = counter("copied_rows_total", "Rows copied by this process.")
    package static let copiedBytes = counter("copied_bytes_total", "Bytes copied by this process.")
    package static let tablesProven = gauge("tables_proven", "Tables that were compared with their source to the end.")
    package static let oldestProof = gauge("oldest_proof_timestamp_seconds", "When the table whose comparison is the oldest was compared, since 1970.")
    package static let polledAt = gauge("polled_table_timestamp_seconds", "When a table that is read was last read to its end, since 1970.", ["table", "mode"])
    package static let polledFailures = gauge("polled_table_failures", "How often in a row reading a table has failed.", ["table", "mode"])
    package static let tablesDiffering = gauge("tables_differing", "Tables whose last comparison found a difference that nobody repaired.")
    package static let rowsDiffering = gauge("rows_differing", "Rows that differ in these tables.")

    // Who leads it.
    package static let leaseHeld = gauge("lease_held", "1 where this process leads it, 0 where another does.")
    package static let leaseEpoch = gauge("lease_epoch", "Rises whenever another process takes over.")
    package static let leaseRemaining = gauge("lease_remaining_seconds", "When the lease ends unless it is renewed.")
    package static let takeovers = counter("takeovers_total", "How often this process has taken it over.")

    /// In the order of the documentation.
    package static let all: [Metric] = [
        health, activity, state, statusAge, info, role, guarded,
        lagChanges, lagTransactions, lagBytes, lagSeconds, delay, endToEnd, snapshotTaken, sourceSeen,
        appliedChanges, appliedBytes, readByOthers, windows, lastWindowChanges, lastWindowSeconds, acknowledge, applyRate, captureRate,
        appliedID, sourceID, appliedAt,
        errors, failures, lastError, parkedTransactions, parkedChanges, notExact, conflicts,
        logBytes, logChanges, logMaxBytes, logFullIn, captureStopped, givenUp,
        tables, copyTables, copyProgress, copiedRows, copiedBytes, tablesProven, oldestProof, tablesDiffering, rowsDiffering, polledAt, polledFailures,
        leaseHeld, leaseEpoch, leaseRemaining, takeovers,
        ready, build, pipelines, leading,
        processStart, processCPU, processResident, processVirtual, processFiles, processMaxFiles, processThreads,
    ]
}
