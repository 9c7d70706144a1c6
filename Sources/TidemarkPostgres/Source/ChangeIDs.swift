/// The ids of `tidemark.data_changes`, which a sequence gives.
enum ChangeIDs {
    /// The last one drawn, whoever has committed since; 0 before the first.
    ///
    /// `select last_value from` the sequence is no substitute: nextval shows, while it writes WAL, the value 32 draws ahead for a
    /// moment, and who reads the row of a sequence takes no lock on its page. An id that is said to be drawn and is not
    /// makes a later transaction pass for an earlier one. To a role without rights on the sequence newer servers say NULL, as of one that
    /// was never asked; reading it fails then.
    static let last = "coalesce(pg_sequence_last_value('tidemark.data_changes_id_seq'), (select 0::bigint from tidemark.data_changes_id_seq))"
}
