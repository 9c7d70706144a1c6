/// What acts on a database's tables besides their rows: what two databases should have alike before they change roles.
package struct Surroundings: Hashable, Sendable {
    /// The application's enabled triggers, as `table.trigger`, without a schema: engines have none or another.
    package var triggers: Set<String>
    package var extensions: Set<String>

    package init(triggers: Set<String> = [], extensions: Set<String> = []) {
        (self.triggers, self.extensions) = (triggers, extensions)
    }
}
