import ArgumentParser
import Foundation
import TidemarkApp
import TidemarkCore
import TidemarkPipeline

/// Tables and sentences for people, or one JSON document for programs.
struct OutputOptions: ParsableArguments {
    @Flag(help: "Print one JSON document instead of text.")
    var json = false

    func printPlan(_ plan: [(side: String, statement: PlannedStatement)], of definition: PipelineDefinition) {
        if json {
            printJSON(plan.map { ["side": $0.side, "lock": $0.statement.lock, "sql": $0.statement.sql] })
            return
        }
        print("-- pipeline \(definition.name): \(plan.count) statements; nothing was changed")
        for (side, statement) in plan {
            let end = statement.sql.hasSuffix(";\n") || statement.sql.hasSuffix(";") ? "" : ";"
            print("\n-- on the \(side); lock: \(statement.lock)\n\(statement.sql)\(end)")
        }
    }

    func printCaptured(_ tables: [SourceTable], of definition: PipelineDefinition) {
        if json {
            printJSON(tables.map { CapturedJSON(pipeline: definition.name, table: $0.name.description, key: $0.keyColumns) })
            return
        }
        for table in tables {
            let key = table.keyColumns.isEmpty ? "no key: the whole row" : "key \(table.keyColumns.joined(separator: ", "))"
            print("captured \(table.name) (\(key))")
        }
        print("pipeline \(definition.name) is set up. Next: tidemark run …")
    }

    /// - Parameter passes: of the tables that were read.
    func printApplied(_ cursor: Cursor?, _ passes: [TablePass] = [], of definition: PipelineDefinition) {
        if json {
            printJSON(AppliedJSON(pipeline: definition.name, appliedID: cursor?.lastID, tables: passes.isEmpty ? nil : passes))
            return
        }
        if let cursor { print("pipeline \(definition.name): applied up to change \(cursor.lastID)") }
        for pass in passes { print(pass.text) }
    }

    func printPlace(_ place: LimitedPlace, of definition: PipelineDefinition) {
        guard let until = place.until else { return }
        if json {
            printJSON(
                PlaceJSON(
                    pipeline: definition.name, until: until.description, isReached: place.isFinal, appliedID: place.cursor.lastID,
                    snapshot: place.cursor.snapshot.description, markedAt: place.markedAt?.description))
            return
        }
        let moment = place.markedAt.map { ", the source as it was at \($0)" } ?? ", where it was before"
        let rest = place.isFinal ? "" : "; the source has not come to that place yet"
        print(
            "pipeline \(definition.name): stopped before \(until), at change \(place.cursor.lastID)"
                + " (snapshot \(place.cursor.snapshot))\(moment)\(rest)")
    }

    func printCopied(_ copies: [TableCopy], _ readings: [CopyMeter.Reading], of definition: PipelineDefinition) {
        let rows = Dictionary(readings.map { ($0.table, $0.rows) }, uniquingKeysWith: +)
        let tables = copies.isEmpty ? readings.map(\.table) : copies.map(\.table)
        if json {
            printJSON(tables.map { CopiedJSON(pipeline: definition.name, table: $0.description, rows: rows[$0] ?? 0) })
            return
        }
        for table in tables { print("copied \(Amount.text(rows[table] ?? 0, "row")) of table \(table)") }
        if tables.isEmpty { print("pipeline \(definition.name): everything is copied already") }
    }

    func printVerified(_ found: [VerifiedTable], planning: Bool) {
        if json {
            printJSON(found)
            return
        }
        print(VerifiedTable.text(found, planning: planning))
    }

    func printRemoved(_ definition: PipelineDefinition, sourceOnly: Bool) {
        if json {
            printJSON(["pipeline": definition.name, "removed": "yes"])
        } else {
            print("pipeline \(definition.name) is removed from \(sourceOnly ? "the source" : "both databases")")
        }
    }

    func printStatus(_ reports: [StatusReport]) {
        if json {
            printJSON(reports)
        } else {
            print(reports.map(\.text).joined(separator: "\n"))
        }
    }

    func printFindings(_ found: [(pipeline: String, findings: [(side: String, finding: Finding)])]) {
        if json {
            printJSON(
                found.flatMap { pipeline, findings in
                    findings.map { FindingJSON(pipeline: pipeline, side: $0.side, finding: $0.finding) }
                })
            return
        }
        for (pipeline, findings) in found {
            for (side, finding) in findings {
                let place = finding.table.map { " table \($0):" } ?? ""
                print("\(finding.severity.rawValue): \(side)\(place) \(finding.what)\n    \(finding.remedy)")
            }
            let problems = findings.filter { $0.finding.severity == .problem }.count
            let warnings = findings.filter { $0.finding.severity == .warning }.count
            print("pipeline \(pipeline): \(problems) problems, \(warnings) warnings")
        }
    }

    func printJSON(_ value: some Encodable) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // Texts and numbers always encode.
        if let data = try? encoder.encode(value) { print(String(decoding: data, as: UTF8.self)) }
    }
}

private struct CapturedJSON: Encodable {
    let pipeline: String
    let table: String
    let key: [String]
}

private struct CopiedJSON: Encodable {
    let pipeline: String
    let table: String
    let rows: Int64
}

private struct AppliedJSON: Encodable {
    let pipeline: String
    let appliedID: Int64?
    let tables: [TablePass]?
}

private struct PlaceJSON: Encodable {
    let pipeline: String
    let until: String
    let isReached: Bool
    let appliedID: Int64
    let snapshot: String
    let markedAt: String?
}

private struct FindingJSON: Encodable {
    let pipeline: String
    let side: String
    let severity: String
    let table: String?
    let what: String
    let remedy: String

    init(pipeline: String, side: String, finding: Finding) {
        (self.pipeline, self.side, severity) = (pipeline, side, finding.severity.rawValue)
        (table, what, remedy) = (finding.table?.description, finding.what, finding.remedy)
    }
}
