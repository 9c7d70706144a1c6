/// Which of the numbers of a sequence one of several databases gives, so that no two of them ever give the same one.
package enum SequenceSite: Hashable, Sendable {
    /// Every `sites`-th number, those that leave the same rest as `site`; counted from 1.
    case every(sites: Int64, site: Int64)
    /// The numbers from one to another, for engines that cannot count by steps.
    case range(ClosedRange<Int64>)

    package static let forms = "a share such as “2 of 3”, or a range such as “range 1000000000-1999999999”"
    private static let maxSites = Int64(1_000_000)

    package init?(parsing text: String) {
        let words = text.split(separator: " ").map(String.init)
        switch words.count {
        case 3 where words[1] == "of":
            guard let site = Int64(words[0]), let sites = Int64(words[2]), (2...Self.maxSites).contains(sites), (1...sites).contains(site) else { return nil }
            self = .every(sites: sites, site: site)
        case 2 where words[0] == "range":
            let ends = words[1].split(separator: "-", omittingEmptySubsequences: false).map { Int64($0) }
            guard ends.count == 2, let first = ends[0], let last = ends[1], first > 0, first < last else { return nil }
            self = .range(first...last)
        default: return nil
        }
    }

    /// The least number of this site that is not below `value`; nil where there is none.
    package func first(from value: Int64) -> Int64? {
        switch self {
        case .range(let range): return value > range.upperBound ? nil : max(value, range.lowerBound)
        case .every(let sites, let site):
            let rest = (value % sites - site % sites + 2 * sites) % sites
            let (found, isTooFar) = value.addingReportingOverflow(rest == 0 ? 0 : sites - rest)
            return isTooFar ? nil : found
        }
    }

    package func contains(_ value: Int64) -> Bool { first(from: value) == value }
}

/// The next values of sequences, by the columns that they give numbers to.
package typealias SequenceFloors = [SequenceState.Column: Int64]

extension SequenceSite: CustomStringConvertible {
    /// As it is written in a configuration.
    package var description: String {
        switch self {
        case .every(let sites, let site): "\(site) of \(sites)"
        case .range(let range): "range \(range.lowerBound)-\(range.upperBound)"
        }
    }
}
