/// A database system that tidemark speaks to. The application lists them; nothing else names one.
package protocol Engine: Sendable {
    /// As people write it: “PostgreSQL”.
    var name: String { get }

    /// The forms of address that it takes, as `--help` shows them.
    var addressForms: [String] { get }

    /// Is this the address of a database of this engine?
    func accepts(_ address: String) -> Bool

    /// The address as it may be shown: without a password or anything else that is secret.
    func shown(_ address: String) -> String

    func source(_ address: String) throws -> any ChangeSource
    func target(_ address: String, pipeline: String) throws -> any ChangeTarget
    func rowSource(_ address: String) throws -> any RowSource
    func rowTarget(_ address: String, pipeline: String) throws -> any RowTarget
    func targetReader(_ address: String, pipeline: String) throws -> any TargetReader
    func polledSource(_ address: String) throws -> any PolledSource
    func polledTarget(_ address: String, pipeline: String) throws -> any PolledTarget
    func history(_ address: String) throws -> any SourceHistory
    func sourceAdministration(_ address: String) throws -> any SourceAdministration
    func targetAdministration(_ address: String) throws -> any TargetAdministration
    func replayTarget(_ address: String, pipeline: String) throws -> any ReplayTarget
    /// - Parameter side: source or target, for errors.
    func roleAdministration(_ address: String, side: String) throws -> any RoleAdministration
    func leaseAdministration(_ address: String) throws -> any LeaseAdministration
}

extension Engine {
    /// Of engines whose tables cannot be read beside a log.
    package func polledSource(_ address: String) throws -> any PolledSource { throw Unpolled.error(name) }
    package func polledTarget(_ address: String, pipeline: String) throws -> any PolledTarget { throw Unpolled.error(name) }
}

private enum Unpolled {
    static func error(_ engine: String) -> TidemarkError {
        TidemarkError("tables cannot be read beside their log here", why: "this is no database: \(engine)", remedy: "Give these tables mode: realtime.")
    }
}
