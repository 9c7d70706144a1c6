package import TidemarkConfig
package import TidemarkCore

/// A pipeline as a person defined it: where, and which tables how.
package struct PipelineDefinition: Sendable {
    package var name: String
    package var source: String
    package var target: String
    /// What is nil was not said: what setup recorded counts, or else the default.
    package var include: [TablePattern]?
    package var exclude: [TablePattern]?
    package var kind: CaptureKind?
    package var images: CapturedImages?
    package var requiresKey: Bool?
    package var capturesReplicaRole: Bool?
    /// Is what tidemark applies to the source captured, too, and passed on?
    package var passesOn: Bool?
    /// The pipeline in the other direction, where both are defined together.
    package var counterpart: String?
    /// Which numbers the sequences of the source's tables give.
    package var sites: SequenceSite?
    package var retention: Retention?
    package var logLimit = LogLimitRequest()
    /// How far the target stays behind on purpose.
    package var delay: StreamDelay?
    package var role: TargetRole?
    /// How it copies and compares while it is followed.
    package var run = Configuration.RunSettings()
    /// What becomes of a pipeline that cannot go on; stop unless said.
    package var failurePolicy: FailurePolicy?
    /// When its source is told of a window; asynchronous unless said.
    package var waiting: Waiting?
    /// What its tables are told one by one: how they are shaped on their way, and which are read instead of their log.
    package var rules = TableRules()

    package init(name: String, source: String, target: String) {
        self.name = name
        self.source = source
        self.target = target
    }

    /// The selection for capture that was named, if one was.
    var namedSelection: TableSelection? {
        include == nil && exclude == nil ? nil : rules.captured(of: TableSelection(include: include ?? [], exclude: exclude ?? []))
    }

    package var delaySeconds: Int64 { delay?.seconds ?? 0 }

    /// - Throws: where the target stays behind on purpose: what compares or copies would take it to now.
    package func refuseIfDelayed(_ work: String) throws {
        guard delaySeconds > 0 else { return }
        throw TidemarkError(
            "the target is \(TimeSpan.text(delaySeconds)) behind on purpose", pipeline: name,
            why: "to \(work), both sides have to be at one place, and the source can be read only as it is now",
            remedy: "Give --delay 0 to do it all the same: it takes the target to now, with everything that the delay holds back.")
    }

    /// What was said here, and for the rest what setup recorded in the source.
    func request(_ source: any SourceAdministration) throws -> CaptureRequest {
        let recorded = try source.recordedRequest(of: name)
        let before = rules.isPolling ? recorded?.selection.named : recorded?.selection
        let selection = TableSelection(include: include ?? before?.include ?? [], exclude: exclude ?? before?.exclude ?? [])
        var request = CaptureRequest(
            pipeline: name, selection: rules.captured(of: selection) ?? selection,
            kind: kind ?? recorded?.kind ?? .auto, requiresKey: requiresKey ?? recorded?.requiresKey ?? false,
            capturesReplicaRole: capturesReplicaRole ?? recorded?.capturesReplicaRole ?? false,
            retention: retention ?? recorded?.retention ?? .none)
        request.images = rules.isShared ? .both : images ?? recorded?.images ?? .new
        request.isShared = rules.isShared
        request.capturesApplied = passesOn ?? recorded?.capturesApplied ?? false
        request.logLimit = logLimit
        return request
    }

    /// The tables of the pipeline that these patterns name.
    /// - Throws: `TidemarkError` for a pattern that names none.
    package func recordedTables(_ patterns: [String]) throws -> [SourceTable] {
        try refuseIfPolledOnly("copy or compare tables")
        return try recordedTables(patterns, in: openSourceAdministration())
    }

    /// As a connection to the source that is there already knows them.
    func recordedTables(_ patterns: [String], in source: any SourceAdministration) throws -> [SourceTable] {
        guard let recorded = try source.recordedRequest(of: name) else {
            throw TidemarkError(
                "the pipeline is not set up", why: "the source does not know it",
                remedy: "Type: tidemark setup --pipeline \(name) --source … --target …")
        }
        let tables = try source.tables(recorded.selection)
        return try Set(patterns).sorted().flatMap { text in
            let found = tables.filter { TablePattern(text).matches($0.name) }
            if found.isEmpty, rules.isPolling, let read = try? polledTables([text]).first { throw isRead(read.table.name.description, read.reading) }
            guard !found.isEmpty else {
                throw TidemarkError(
                    "no table of the pipeline matches \(text)", why: "it has \(tables.map(\.name.description).joined(separator: ", "))",
                    remedy: "Name one of these; * stands for any run of characters.")
            }
            return found
        }
    }

    package func openSourceAdministration() throws -> any SourceAdministration {
        try naming { try Engines.accepting(source, of: "source").sourceAdministration(source) }
    }

    func openTargetAdministration() throws -> any TargetAdministration {
        try naming { try Engines.accepting(target, of: "target").targetAdministration(target) }
    }

    func openSourceRoles() throws -> any RoleAdministration {
        try naming { try Engines.accepting(source, of: "source").roleAdministration(source, side: "source") }
    }

    func openTargetRoles() throws -> any RoleAdministration {
        try naming { try Engines.accepting(target, of: "target").roleAdministration(target, side: "target") }
    }

    /// Puts the pipeline's name into errors of parts that do not know it.
    package func naming<T>(_ body: () throws -> T) throws -> T {
        do {
            return try body()
        } catch var failure as TidemarkError {
            failure.pipeline = failure.pipeline ?? name
            throw failure
        }
    }
}
