package import TidemarkCore

/// What setup, check, status and teardown do to a SQLite target.
package final class SQLiteTargetAdministration: TargetAdministration {
    let database: SQLiteDatabase
    let path: String
    private let cursors: CursorTable
    private let installation: TargetInstallation

    package init(path: String) throws {
        self.path = path
        database = try SQLiteFile(path, role: "target").open()
        cursors = CursorTable(database)
        installation = TargetInstallation(database)
    }

    package func identityAsSource() throws -> String? {
        try saying("the target cannot be identified", path: path) { try ChangeLog(database: database).installID() }
    }

    package func planInstall() throws -> [PlannedStatement] {
        try saying("the installation cannot be planned", path: path) {
            try installation.statements().map { PlannedStatement($0, lock: WriteLock.inWords) }
        }
    }

    package func install() throws {
        try saying("the cursor's table cannot be made", path: path) { try installation.make() }
    }

    package func cursor(of pipeline: String) throws -> StoredCursor? {
        try saying("the cursor cannot be read", pipeline: pipeline, path: path) {
            guard try cursors.exists() else { return nil }
            return try cursors.stored(pipeline)
        }
    }

    package func copies(of pipeline: String) throws -> [TableCopy] {
        try saying("the copies cannot be read", pipeline: pipeline, path: path) {
            try installation.hasCopies() ? try CopyTable(database).copies(of: pipeline) : []
        }
    }

    package func proofs(of pipeline: String) throws -> [TableProof] {
        try saying("the proofs cannot be read", pipeline: pipeline, path: path) {
            try installation.hasProofs() ? try ProofTable(database).proofs(of: pipeline) : []
        }
    }

    package func expect(_ copies: [TableCopy], of pipeline: String) throws {
        try saying("the copies cannot be saved", pipeline: pipeline, path: path) {
            try WriteLock(database: database).hold {
                for copy in copies { try CopyTable(database).save(copy, of: pipeline) }
                // A worker that runs has to leave these tables out from now on.
                if !copies.isEmpty {
                    _ = try database.rows(
                        "UPDATE main.tidemark_cursor SET revision = revision + 1 WHERE pipeline = ?", [.string(pipeline)])
                }
            }
        }
    }

    package func place(_ cursor: Cursor, of pipeline: String) throws {
        try saying("the cursor cannot be placed", pipeline: pipeline, path: path) {
            try WriteLock(database: database).hold {
                _ = try database.rows(
                    """
                    INSERT INTO main.tidemark_cursor (pipeline, source, snapshot, witness, last_id, epoch)
                    VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (pipeline) DO NOTHING
                    """,
                    [
                        .string(pipeline), .string(cursor.source), .string(cursor.snapshot.description),
                        .string(cursor.witness), .integer(cursor.lastID), .integer(cursor.epoch),
                    ])
            }
        }
    }

    package func check(_ tables: [SourceTable]) throws -> [Finding] {
        try saying("the target cannot be checked", path: path) {
            let names = Dictionary(grouping: tables) { SQLiteIdentifier.folded(($0.targetName ?? $0.name).name) }
            let mixed = names.values.filter { $0.count > 1 }.map { same in
                Finding(TargetTables.sameName(same[0].name, same[1].name, pipeline: nil))
            }
            return try mixed + tables.flatMap { try TargetChecks(database).findings($0) }
        }
    }

    package func check(_ sequences: [SequenceState]) throws -> [Finding] {
        try saying("the target cannot be checked", path: path) { try TargetRowNumbers(database).findings(sequences) }
    }

    package func setSequences(_ states: [SequenceState], margin: Int64) throws -> [String] {
        try saying("the numbers of rows were not set", path: path) {
            try WriteLock(database: database).hold { try TargetRowNumbers(database).set(states, margin: margin) }
        }
    }

    package func planRemoval(of pipeline: String) throws -> [PlannedStatement] {
        try saying("the removal cannot be planned", pipeline: pipeline, path: path) {
            let leases = LeaseFile(besides: path)
            let forgetting = try leases.entries()[pipeline] == nil ? []
                : [PlannedStatement("-- pipeline \(pipeline) is taken out of \(leases.path)", lock: "none; a file beside the database")]
            return try installation.removal(of: pipeline).map { PlannedStatement($0, lock: WriteLock.inWords) } + forgetting
        }
    }

    package func remove(_ pipeline: String) throws {
        try saying("the cursor was not removed", pipeline: pipeline, path: path) { 
            let isLast = try installation.isLast(pipeline)
            try installation.remove(pipeline)
            try LeaseFile(besides: path).forget(pipeline, isLast: isLast)
        }
    }
}
