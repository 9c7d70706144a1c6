/// The files beside this one, as the binary carries them: what is installed is what can be read here.
package enum PostgresSQL {
    package static let install = including(PackageResources.install_sql)
    package static let target = including(PackageResources.target_sql)
    package static let roles = text(PackageResources.roles_sql)
    package static let leases = text(PackageResources.lease_sql)
    package static let uninstall = text(PackageResources.uninstall_sql)

    private static let parts = [
        "columns.sql": PackageResources.columns_sql,
        "registry.sql": PackageResources.registry_sql, "log.sql": PackageResources.log_sql, "limit.sql": PackageResources.limit_sql,
        "applied.sql": PackageResources.applied_sql, "sites.sql": PackageResources.sites_sql,
        "image.sql": PackageResources.image_sql, "shape.sql": PackageResources.shape_sql,
        "before-image.sql": PackageResources.before_image_sql,
        "row-capture.sql": PackageResources.row_capture_sql, "capture-kind.sql": PackageResources.capture_kind_sql,
        "capture.sql": PackageResources.capture_sql, "attach.sql": PackageResources.attach_sql,
        "roles.sql": PackageResources.roles_sql, "parked.sql": PackageResources.parked_sql, "conflict.sql": PackageResources.conflict_sql,
        "lease.sql": PackageResources.lease_sql,
        "sync.sql": PackageResources.sync_sql,
        "waiting.sql": PackageResources.waiting_sql, "wait-for.sql": PackageResources.wait_for_sql,
        "wait-until.sql": PackageResources.wait_until_sql,
    ]

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The text with each line `\ir FILE`, which is psql's, replaced by that file.
    private static func including(_ bytes: [UInt8]) -> String {
        text(bytes).split(separator: "\n", omittingEmptySubsequences: false).map { line in
            guard line.hasPrefix("\\ir ") else { return String(line) }
            guard let part = parts[String(line.dropFirst(4))] else { preconditionFailure("not embedded: \(line)") }
            return text(part)
        }.joined(separator: "\n")
    }
}
