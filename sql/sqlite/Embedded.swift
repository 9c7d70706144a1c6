/// The files beside this one, as the binary carries them: what is installed is what can be read here.
package enum SQLiteSQL {
    package static let install = text(PackageResources.install_sql) + "\n" + roles
    package static let target = text(PackageResources.target_sql) + "\n" + roles
    package static let roles = text(PackageResources.roles_sql)
    package static let uninstall = text(PackageResources.uninstall_sql)

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }
}
