import Dispatch
import Foundation
import TidemarkApp
import TidemarkService

/// The screen, while somebody looks at it: whatever happens becomes an event, and one loop takes them in their order.
struct TopSession {
    private enum Event: Sendable {
        case keys([TopKey])
        case figures(ServiceView, [PipelineView])
        case tables([StatusReport.Table], of: String)
        case failure(String)
        case done(String)
        case resized
        case stop
    }

    private let client: TopClient
    private static let refreshEvery = Duration.seconds(2)

    init(_ client: TopClient) { self.client = client }

    func run() async {
        let terminal = Terminal()
        defer { terminal.close() }
        let (events, happens) = AsyncStream.makeStream(of: Event.self)
        let sources = listen(happens)
        defer { sources.forEach { $0.cancel() } }
        let refreshing = Task { [client] in
            while !Task.isCancelled {
                await Self.refresh(client, happens)
                try? await Task.sleep(for: Self.refreshEvery)
            }
        }
        defer { refreshing.cancel() }

        let hasColour = ProcessInfo.processInfo.environment["NO_COLOR"]?.isEmpty ?? true
        var state = TopState(address: client.base)
        func draw() {
            let size = terminal.size
            terminal.draw(TopScreen(state, width: size.width, height: size.height, hasColour: hasColour).lines)
        }
        draw()
        for await event in events {
            switch event {
            case .stop: return
            case .resized: terminal.forget()
            case .figures(let service, let pipelines): state.take(service, pipelines, at: Self.clock())
            case .tables(let tables, let pipeline): state.take(tables: tables, of: pipeline)
            case .failure(let text): state.lose(because: text)
            case .done(let text): state.say(text)
            case .keys(let keys):
                for key in keys {
                    guard let action = state.press(key) else { continue }
                    if action == .quit { return }
                    act(action, happens)
                }
            }
            draw()
        }
    }

    /// Beside the loop: the screen stays alive while the service thinks.
    private func act(_ action: TopState.Action, _ happens: AsyncStream<Event>.Continuation) {
        Task { [client] in
            do {
                switch action {
                case .quit: break
                case .loadTables(let name): happens.yield(.tables(try await client.tables(of: name), of: name))
                case .send(let question):
                    try await client.send(question.action.name, question.action.pipeline)
                    happens.yield(.done("\(question.action.pipeline): \(question.action.name) is done"))
                    await Self.refresh(client, happens)
                }
            } catch {
                happens.yield(.done("\(error)"))
            }
        }
    }

    private static func refresh(_ client: TopClient, _ happens: AsyncStream<Event>.Continuation) async {
        do {
            happens.yield(.figures(try await client.service(), try await client.pipelines()))
        } catch {
            happens.yield(.failure("\(error)"))
        }
    }

    private func listen(_ happens: AsyncStream<Event>.Continuation) -> [any DispatchSourceProtocol] {
        let input = DispatchSource.makeReadSource(fileDescriptor: STDIN_FILENO, queue: .global())
        input.setEventHandler {
            var bytes = [UInt8](repeating: 0, count: 256)
            let count = read(STDIN_FILENO, &bytes, bytes.count)
            // The terminal is gone.
            happens.yield(count > 0 ? .keys(TopKey.parse(bytes.prefix(count))) : .stop)
        }
        input.resume()
        return [input]
            + [(SIGWINCH, Event.resized), (SIGTERM, .stop), (SIGINT, .stop), (SIGHUP, .stop)].map { number, event in
                signal(number, SIG_IGN)
                let source = DispatchSource.makeSignalSource(signal: number, queue: .global())
                source.setEventHandler { happens.yield(event) }
                source.resume()
                return source
            }
    }

    /// “14:03:22”, local.
    private static func clock() -> String {
        let parts = Calendar.current.dateComponents([.hour, .minute, .second], from: Date())
        return [parts.hour, parts.minute, parts.second].map { part in
            let text = "\(part ?? 0)"
            return text.count < 2 ? "0" + text : text
        }.joined(separator: ":")
    }
}
