import HTTPTypes
import TidemarkService

/// The files beside this one, as the binary carries them.
enum Dashboard {
    static let index = File(PackageResources.index_html, "text/html; charset=utf-8")
    private static let script = "text/javascript; charset=utf-8"
    private static let image = "image/svg+xml"
    static let files = [
        "index.html": index,
        "style.css": File(PackageResources.style_css, "text/css; charset=utf-8"),
        "icon.svg": File(PackageResources.icon_svg, image),
        "icon-attention.svg": File(PackageResources.icon_attention_svg, image),
        "icon-failed.svg": File(PackageResources.icon_failed_svg, image),
        "api.js": File(PackageResources.api_js, script),
        "app.js": File(PackageResources.app_js, script),
        "conflicts.js": File(PackageResources.conflicts_js, script),
        "dom.js": File(PackageResources.dom_js, script),
        "format.js": File(PackageResources.format_js, script),
        "overview.js": File(PackageResources.overview_js, script),
        "parked.js": File(PackageResources.parked_js, script),
        "pipeline.js": File(PackageResources.pipeline_js, script),
        "plot.js": File(PackageResources.plot_js, script),
        "tasks.js": File(PackageResources.tasks_js, script),
    ]
    static let document = File(PackageResources.openapi_json, "application/json")

    struct File: Sendable {
        let bytes: [UInt8]
        let type: String
        /// Differs where the bytes do, so that a browser asks for a file and gets it only when it is another one.
        let tag: String

        init(_ bytes: [UInt8], _ type: String) {
            (self.bytes, self.type) = (bytes, type)
            // FNV-1a
            let hash = bytes.reduce(0xcbf2_9ce4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
            tag = "\"\(String(hash, radix: 16))-\(bytes.count)\""
        }

        func reply(to call: Call) -> Reply {
            let headers: HTTPFields = [.eTag: tag, .cacheControl: "no-cache"]
            let known = call.ifNoneMatch?.split(separator: ",").map { $0.drop { $0 == " " } } ?? []
            if known.contains(where: { $0 == tag || $0 == "W/\(tag)" || $0 == "*" }) { return Reply(status: .notModified, headers: headers) }
            return .bytes(bytes, type: type, headers: headers)
        }
    }
}
