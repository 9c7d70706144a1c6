package import TidemarkCore

/// What setup, check and teardown do with a pipeline.
package struct Installation {
    private let definition: PipelineDefinition

    package init(_ definition: PipelineDefinition) { self.definition = definition }

    /// Log and registry, then the cursor, then the triggers: the cursor stands before the first change
    /// that can be logged. Rows that are there already are not copied.
    /// - Returns: the tables captured.
    package func setUp() throws -> [SourceTable] {
        try definition.naming {
            let source = try definition.openSourceAdministration()
            let target = try definition.openTargetAdministration()
            let request = try definition.effectiveRequest(source)
            try source.installLog()
            try target.install()
            if try target.cursor(of: definition.name) == nil {
                try target.place(try source.startCursor(), of: definition.name)
            }
            return try source.install(request)
        }
    }

    /// What `setUp` would run, by side.
    package func planSetUp() throws -> [(side: String, statement: PlannedStatement)] {
        try definition.naming {
            let source = try definition.openSourceAdministration()
            let target = try definition.openTargetAdministration()
            let request = try definition.effectiveRequest(source)
            return try source.planInstall(request).map { ("source", $0) } + target.planInstall().map { ("target", $0) }
        }
    }

    package func tearDown() throws {
        try definition.naming {
            let source = try definition.openSourceAdministration()
            let target = try definition.openTargetAdministration()
            try source.remove(definition.name)
            try target.remove(definition.name)
        }
    }

    package func planTearDown() throws -> [(side: String, statement: PlannedStatement)] {
        try definition.naming {
            let source = try definition.openSourceAdministration()
            let target = try definition.openTargetAdministration()
            return try source.planRemoval(of: definition.name).map { ("source", $0) }
                + target.planRemoval(of: definition.name).map { ("target", $0) }
        }
    }

    /// Every problem of both sides with its remedy, problems first.
    package func check() throws -> [(side: String, finding: Finding)] {
        try definition.naming {
            let source = try definition.openSourceAdministration()
            let target = try definition.openTargetAdministration()
            let request = try definition.effectiveRequest(source)
            let tables = try source.tables(request.selection)
            let found = try source.check(request).map { ("source", $0) } + target.check(tables).map { ("target", $0) }
            let order: [Finding.Severity] = [.problem, .warning, .note]
            return order.flatMap { severity in found.filter { $0.1.severity == severity } }
        }
    }
}
