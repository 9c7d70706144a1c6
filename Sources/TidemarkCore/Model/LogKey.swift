/// What an event of the log is about, under names as OpenTelemetry writes them.
package enum LogKey: String, CaseIterable, Sendable {
    case pipeline = "tidemark.pipeline"
    case table = "tidemark.table"
    /// Of a row, as errors show it.
    case rowKey = "tidemark.row_key"
    case changeID = "tidemark.change_id"
    /// What to type.
    case remedy = "tidemark.remedy"
    /// Of somebody who uses the API.
    case actor = "tidemark.actor"
    case task = "tidemark.task_id"
    case databaseSystem = "db.system"
    case errorType = "error.type"
    case errorMessage = "error.message"
}
