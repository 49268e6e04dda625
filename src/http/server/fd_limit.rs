//! The limit of open file descriptors, which bounds the number of connections.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors reserved for everything except connections: database, key files, e-mails and requests to providers.
const RESERVED_DESCRIPTORS: u64 = 96;

/// Raises the soft limit of open file descriptors to the hard limit. Returns the number of possible connections:
/// `wanted`, or fewer if the limit does not allow that many. `RESERVED_DESCRIPTORS` descriptors, or half of the limit
/// if that is fewer, are not used for connections.
pub fn raise(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let soft = limit.current;
    limit.current = limit.maximum;
    // Some systems report a hard limit that cannot actually be set. The soft limit then stays in force.
    let allowed = if setrlimit(Resource::Nofile, limit).is_ok() { limit.maximum } else { soft };
    let possible = allowed.map_or(usize::MAX, |descriptors| {
        usize::try_from(descriptors.saturating_sub(RESERVED_DESCRIPTORS).max(descriptors / 2)).unwrap_or(usize::MAX)
    });
    if possible < wanted {
        tracing::warn!(
            connections = possible,
            "open file limit allows fewer connections than server.max_connections; raise LimitNOFILE or ulimit -n"
        );
    }
    wanted.min(possible)
}
