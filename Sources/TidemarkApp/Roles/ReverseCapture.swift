import TidemarkCore

/// What is captured on the replica of a pipeline once it is the primary: what the primary's setup was told.
struct ReverseCapture {
    let request: CaptureRequest
    let tables: PairedTables

    /// - Throws: where the old primary does not know the pipeline.
    init(of flow: PipelineDefinition, from old: PipelineSide, to new: PipelineSide) throws {
        guard let recorded = try old.asSource.recordedRequest(of: flow.name) else {
            throw TidemarkError(
                "the pipeline is not set up", pipeline: flow.name, why: "\(old.shown) does not know it",
                remedy: "Type: tidemark setup --pipeline \(flow.name) --source … --target …")
        }
        let theirs = try new.asSource.tables(TableSelection())
        tables = PairedTables(try old.asSource.tables(recorded.selection), with: theirs)
        var request = recorded
        // Patterns may name other tables here, in an engine without schemas for one.
        if Set(theirs.map(\.name).filter(recorded.selection.takes)) != Set(tables.onReplica) {
            request.selection = TableSelection(include: tables.onReplica.map { TablePattern($0.description) })
        }
        self.request = request
    }
}
