import Foundation
import TidemarkApp

extension StatusReport {
    /// A report on pipeline shop, which is current, with these fields besides, as its JSON names them.
    static func example(_ fields: [String: any Sendable]) throws -> StatusReport {
        var object: [String: Any] = ["pipeline": "shop", "state": "current", "source": "a", "target": "b", "tables": [[String: Any]]()]
        (object["parkedTransactions"], object["parkedChanges"], object["notExactTables"]) = (0, 0, [String]())
        for (name, value) in fields { object[name] = value }
        return try JSONDecoder().decode(StatusReport.self, from: JSONSerialization.data(withJSONObject: object))
    }
}
