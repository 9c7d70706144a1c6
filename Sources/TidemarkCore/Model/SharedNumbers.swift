/// What goes wrong where several databases share the numbers of a sequence.
package enum SharedNumbers {
    /// Of a range, so much is left when somebody should know.
    private static let leftParts = Int64(10)

    /// Are nine tenths of the numbers given?
    package static func isNearEnd(_ next: Int64, of range: ClosedRange<Int64>) -> Bool {
        let (size, isHuge) = range.upperBound.subtractingReportingOverflow(range.lowerBound)
        return (range.upperBound.subtractingReportingOverflow(next)).partialValue < (isHuge ? Int64.max : size) / leftParts
    }

    package static func isFull(_ name: String, _ sites: SequenceSite) -> TidemarkError {
        TidemarkError(
            "the numbers of \(name) are used up", why: "above what is stored or was given there is none left of sites: \(sites)",
            remedy: "Give this database another range with sites:, which no other one has, and type the command again.")
    }

    package static func isOther(_ name: String, _ pipeline: String, _ standing: String, _ sites: SequenceSite) -> TidemarkError {
        TidemarkError(
            "a database has one share of its numbers", why: "pipeline \(pipeline) has \(name) give those of “\(standing)”, and this one wants “\(sites)”",
            remedy: "Give both pipelines the same sites:, or only one of them.")
    }
}
