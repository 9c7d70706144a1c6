/// What tidemark installed is gone, while somebody works with it: most likely the pipeline was torn down beside a service.
package enum TornDown {
    package static func error(_ pipeline: String?, why: String) -> TidemarkError {
        TidemarkError("the pipeline was torn down, or never set up", pipeline: pipeline, why: why, remedy: remedy)
    }

    package static let remedy = "Type: tidemark setup --source … --target …, and have it run again, if it is wanted;"
        + " else remove the pipeline from the configuration of the service, and have that read anew (SIGHUP)."
}
