// The directory as it is now, read again after each change of it.
package import ResourceStore
internal import Synchronization

package final class Access: Sendable {
    private let store: ResourceStore
    private let current: Mutex<AccessDirectory>

    package init(store: ResourceStore) throws {
        self.store = store
        current = Mutex(try store.readNow { try AccessDirectory($0) })
    }

    package var directory: AccessDirectory { current.withLock { $0 } }

    /// Call after a commit that changes principals, definitions or assignments, before it is answered: so that what
    /// was answered holds.
    package func reload() throws {
        try current.withLock { current in current = try store.readNow { try AccessDirectory($0) } }
    }
}
