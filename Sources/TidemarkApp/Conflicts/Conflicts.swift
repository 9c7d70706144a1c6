package import TidemarkCore

/// The conflicts that a pipeline's target has decided, and what a person makes of them.
package struct Conflicts: Sendable {
    private let definition: PipelineDefinition

    package init(_ definition: PipelineDefinition) { self.definition = definition }

    /// The newest first.
    /// - Parameters:
    ///   - table: of this one only, as the target calls it.
    ///   - id: those before this one.
    package func list(table: String? = nil, before id: Int64? = nil, limit: Int) throws -> [DecidedConflict] {
        try definition.naming {
            try definition.openTargetAdministration().conflicts(of: definition.name, table: table.map { TableName(parsing: $0) }, before: id, limit: limit)
                .map(DecidedConflict.init)
        }
    }

    /// Nil where there is none of that number, or its time is over.
    package func find(_ id: Int64) throws -> DecidedConflict? {
        try definition.naming { try definition.openTargetAdministration().conflict(id, of: definition.name).map(DecidedConflict.init) }
    }

    /// Writes one of its images to the target, as an ordinary write that every other end gets.
    package func restore(_ image: ConflictImage, of id: Int64, by person: String) throws -> DecidedConflict {
        try definition.naming {
            let target = try definition.openTargetAdministration()
            guard let conflict = try target.conflict(id, of: definition.name) else { throw Self.isUnknown(id) }
            try target.restore(image, of: conflict, by: person)
            return DecidedConflict(try target.conflict(id, of: definition.name) ?? conflict)
        }
    }

    package static func isUnknown(_ id: Int64) -> TidemarkError {
        TidemarkError(
            "there is no conflict \(id)", why: "the target has none of that number for this pipeline; they are kept for 90 days",
            remedy: "Type: tidemark conflicts list …, which says what there is.")
    }
}

extension TableName {
    fileprivate init(parsing text: String) {
        guard let dot = text.firstIndex(of: ".") else {
            self.init(schema: nil, name: text)
            return
        }
        self.init(schema: String(text[..<dot]), name: String(text[text.index(after: dot)...]))
    }
}
