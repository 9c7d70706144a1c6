package import TidemarkCore

/// A directory of files that hold the windows of one source. Written as a target, and read again as a source.
package struct ArchiveEngine: Engine {
    package let name = "archive"
    package let addressForms = ["archive:DIR"]
    private static let scheme = "archive:"

    package init() {}

    /// The address of an archive in this directory.
    package static func address(_ directory: String) -> String { scheme + directory }

    package func accepts(_ address: String) -> Bool { address.hasPrefix(Self.scheme) }
    package func shown(_ address: String) -> String { address }

    package func target(_ address: String, pipeline: String) throws -> any ChangeTarget {
        ArchiveTarget(path: Self.path(address), pipeline: pipeline)
    }

    package func targetAdministration(_ address: String) throws -> any TargetAdministration {
        ArchiveAdministration(path: Self.path(address))
    }

    package func source(_ address: String) throws -> any ChangeSource { try ArchiveSource(path: Self.path(address)) }

    package func rowSource(_ address: String) throws -> any RowSource {
        throw TidemarkError(
            "a table's copy cannot be completed from an archive", why: "an archive holds changes, and no whole tables",
            remedy: "Restore a backup that was taken when all of its tables were copied: tidemark status says so.")
    }

    package func rowTarget(_ address: String, pipeline: String) throws -> any RowTarget { throw Self.holdsNoRows }
    package func targetReader(_ address: String, pipeline: String) throws -> any TargetReader { throw Self.holdsNoRows }

    package func sourceAdministration(_ address: String) throws -> any SourceAdministration {
        throw TidemarkError(
            "an archive is no source to set up", why: "it is read by tidemark replay only", remedy: "Type: tidemark replay DIR --target …")
    }

    package func history(_ address: String) throws -> any SourceHistory {
        throw TidemarkError(
            "an archive cannot be looked back into", why: "it holds rows as they became, and not as they were before",
            remedy: "Restore a backup, and type: tidemark replay DIR --until PLACE --target …")
    }

    package func replayTarget(_ address: String, pipeline: String) throws -> any ReplayTarget { throw Self.holdsNoRows }

    package func roleAdministration(_ address: String, side: String) throws -> any RoleAdministration {
        throw TidemarkError(
            "an archive has no role", why: "nobody but its one writer follows into it", remedy: "To have it wait, end tidemark archive; the source keeps its log.")
    }

    package func leaseAdministration(_ address: String) throws -> any LeaseAdministration {
        throw TidemarkError(
            "an archive has no leases", why: "its one writer keeps a lock on it as long as it lives",
            remedy: "Type: tidemark archive DIR …, for each archive in a process of its own.")
    }

    private static var holdsNoRows: TidemarkError {
        TidemarkError(
            "an archive has no tables to copy into or to compare", why: "it holds changes, and no rows",
            remedy: "tidemark archive DIR --verify says whether it is whole.")
    }

    private static func path(_ address: String) -> String { String(address.dropFirst(scheme.count)) }
}
