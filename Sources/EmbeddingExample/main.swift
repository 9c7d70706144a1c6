// Replicates one SQLite file into another from within a program, while that program writes:
//
//   embedding-example SOURCE.db TARGET.db [SECONDS]
//
// It follows the source for SECONDS, 2 if that is not said, printing what happens, then proves both files equal.
import Foundation
import TidemarkEngine

guard CommandLine.arguments.count >= 3 else {
    FileHandle.standardError.write(Data("usage: embedding-example SOURCE.db TARGET.db [SECONDS]\n".utf8))
    exit(64)
}
let replication = Replication(name: "example", source: "sqlite:\(CommandLine.arguments[1])", target: "sqlite:\(CommandLine.arguments[2])")
let seconds = CommandLine.arguments.dropFirst(3).first.flatMap { Double($0) } ?? 2

do {
    for finding in try await replication.check() where finding.severity == .problem && finding.side == "source" {
        print("problem: \(finding.what). \(finding.remedy)")
    }
    let tables = try await replication.setUp(createTables: true)
    print("capturing \(tables.joined(separator: ", "))")

    // Whoever wants to know what happens reads the events; nobody has to.
    let events = replication.events
    let printing = Task {
        for await event in events {
            switch event {
            case .connected(let position): print("connected, at change \(position.lastChangeID)")
            case .copied(let table, let rows): print("copied \(table): \(rows) rows")
            case .applied(let changes, let position): print("applied \(changes) changes, up to change \(position.lastChangeID)")
            case .failed(let failure): print("failed\(failure.isTemporary ? ", trying again" : ""): \(failure)")
            }
        }
    }

    // It runs until its task is cancelled, which lets it finish the window at hand.
    let running = Task { try await replication.run() }
    try await Task.sleep(for: .seconds(seconds))
    running.cancel()
    try await running.value

    // What was committed meanwhile; then the proof.
    try await replication.catchUp()
    let verdicts = try await replication.verify()
    for verdict in verdicts {
        print("\(verdict.table): \(verdict.isEqual ? "equal" : "\(verdict.differences) rows differ"), \(verdict.rows) rows")
    }
    printing.cancel()
    exit(verdicts.allSatisfy(\.isEqual) ? 0 : 2)
} catch {
    FileHandle.standardError.write(Data("\(error)\n".utf8))
    exit(1)
}
