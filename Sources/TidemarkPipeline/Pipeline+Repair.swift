import TidemarkCore

extension Pipeline {
    private static let rowsPerRepairMin = 4_000

    /// Makes rows of the target what the source has where the cursor is: so nothing newer is overwritten,
    /// and what has become equal meanwhile stays so.
    /// - Parameter done: how many of them, from the first on, it has come to, also where it throws.
    func repair(
        _ differences: [RowDifference], of name: TableName, planning: Bool, after start: Cursor, counting done: inout Int
    ) async throws -> (cursor: Cursor, plan: [String]) {
        var (cursor, plan) = (start, [String]())
        var (left, rowsPerRepair) = (differences[...], Self.rowsPerRepairMin)
        while !left.isEmpty {
            let some = Array(left.prefix(rowsPerRepair))
            let isKeyless = keyless.contains(name)
            do {
                let step = isKeyless
                    ? try await atStandstillOnBothSides(on: [name], after: cursor) { standstill, _ in
                        try self.refuseIfParked(name, "repair")
                        return try await self.repairWholeRows(of: name, planning: planning, at: standstill)
                    }
                    : try await atStandstill(on: [name], after: cursor) { standstill in
                        try self.refuseIfParked(name, "repair")
                        let table = try self.table(name, at: standstill)
                        return try await self.write(
                            some, try await self.rows(some, of: table), to: table, planning: planning, at: standstill.cursor)
                    }
                plan += step.plan
                cursor = step.isDone ? step.cursor : try await reload()
                if step.isDone { left = isKeyless ? [] : left.dropFirst(some.count) }
                done = differences.count - left.count
            } catch let failure as TidemarkError
                where (failure.retry == .never || failure.retry == .staged) && some.count < left.count && !isKeyless && !parked.holds(name) {
                // A unique value may be with a row that a later repair would take it from: then with that one.
                rowsPerRepair *= 4
            }
        }
        return (cursor, plan)
    }

    private struct RepairStep {
        var cursor: Cursor
        var plan: [String] = []
        /// False where another process moved the cursor.
        var isDone = true
    }

    private func table(_ name: TableName, at standstill: Standstill) throws -> CapturedTable {
        guard let table = standstill.table(name) else { throw Self.isNotTaken(name, settings.name) }
        return table
    }

    /// Which whole rows are missing or too many is found at the very place at which they are repaired.
    private func repairWholeRows(of name: TableName, planning: Bool, at standstill: Standstill) async throws -> RepairStep {
        let table = try table(name, at: standstill)
        let found = try await Comparison(lane: lane(0), isOneEngine: connections.sourceEngineIsTargets)
            .compare(TablePart(table)).differences
        // There are targets in which a reader keeps everybody from committing.
        for lane in lanes { await lane.releaseTarget() }
        return try await write(found, try wholeRows(found, of: table), to: table, planning: planning, at: standstill.cursor)
    }

    private func write(
        _ differences: [RowDifference], _ changes: ChangePage, to table: CapturedTable, planning: Bool, at cursor: Cursor
    ) async throws -> RepairStep {
        guard !planning else {
            return RepairStep(cursor: cursor, plan: try await lane(0).load { try $0.statements(for: changes, of: table) })
        }
        let done: Void? = try await catchingUp {
            try await self.lane(0).load { try $0.repair(differences, of: table, with: changes, at: cursor) }
        }
        return RepairStep(cursor: cursor, isDone: done != nil)
    }

    /// The source's rows with these keys as changes; a row that it has not is a delete.
    private func rows(_ differences: [RowDifference], of table: CapturedTable) async throws -> ChangePage {
        let part = TablePart(table, keys: differences.map(\.key))
        return try await lane(0).read { source in
            var all = ChangePage()
            try source.read(part, as: .changes) { page in
                guard case .changes(let page) = page else { return }
                all.append(contentsOf: page)
            }
            return all
        }
    }

    /// Whole rows to be added, and to be taken away, as often as they are missing or too many.
    private func wholeRows(_ differences: [RowDifference], of table: CapturedTable) throws -> ChangePage {
        guard connections.sourceEngineIsTargets else {
            throw TidemarkError(
                "a table without a key cannot be repaired between engines", pipeline: settings.name, table: table.name,
                why: "its rows are known by all their values, which the two write differently",
                remedy: "Copy it anew: tidemark copy --table \(table.name) --existing empty …")
        }
        var page = ChangePage()
        // Numbered, since a change's place among the others goes by its id.
        var id = Int64(0)
        for difference in differences {
            for _ in 0..<difference.count {
                var image = difference.key
                id += 1
                image.withUTF8 { bytes in
                    page.append(
                        id: id, capture: table.capture, operation: difference.kind == .missing ? .insert : .delete, key: nil,
                        image: UnsafeRawBufferPointer(bytes))
                }
            }
        }
        return page
    }
}

extension ChangePage {
    mutating func append(contentsOf page: ChangePage) {
        page.bytes.withUnsafeBytes { bytes in
            for change in page.changes {
                append(
                    id: change.id, capture: change.capture, operation: change.operation,
                    key: change.key.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) },
                    image: change.image.map { UnsafeRawBufferPointer(rebasing: bytes[$0]) })
            }
        }
    }
}
