import TidemarkCore

/// Targets that others write to, too.
extension Pipeline {
    /// The table with what becomes of its conflicts.
    func shared(_ table: CapturedTable) -> CapturedTable {
        var table = table
        table.conflicts = settings.rules.conflicts(table.name)
        return table
    }

    /// Where both ends insert, each draws numbers of its own, which must not be set to where the other one's stand.
    func ownNumbers(_ window: Window) -> Window {
        guard settings.rules.isShared else { return window }
        var window = window
        window.sequences = []
        return window
    }
}
