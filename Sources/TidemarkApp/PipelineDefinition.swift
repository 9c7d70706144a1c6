package import TidemarkCore

/// A pipeline as a person defined it: where, and which tables how.
package struct PipelineDefinition: Sendable {
    package var source: String
    package var target: String
    package var request: CaptureRequest
    /// Were tables or capture said here, or does what setup recorded count?
    package var saysTables: Bool

    package init(source: String, target: String, request: CaptureRequest, saysTables: Bool) {
        self.source = source
        self.target = target
        self.request = request
        self.saysTables = saysTables
    }

    package var name: String { request.pipeline }

    func openSourceAdministration() throws -> any SourceAdministration {
        try naming { try Engines.accepting(source, of: "source").sourceAdministration(source) }
    }

    func openTargetAdministration() throws -> any TargetAdministration {
        try naming { try Engines.accepting(target, of: "target").targetAdministration(target) }
    }

    /// What was said here, or else what setup recorded in the source.
    func effectiveRequest(_ source: any SourceAdministration) throws -> CaptureRequest {
        if saysTables { return request }
        return try source.recordedRequest(of: name) ?? request
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
