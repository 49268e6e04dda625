//! How many connections the system lets this process have.

use rustix::process::{Resource, getrlimit, setrlimit};

/// Descriptors for everything but connections: the database and its readers, keys, mails, what providers are asked.
const RESERVE: u64 = 96;

/// Raises the process's limit of open descriptors as far as it may go by itself, and says how many connections there
/// can be: `wanted`, or fewer where descriptors would run out first.
pub fn raise(wanted: usize) -> usize {
    let mut limit = getrlimit(Resource::Nofile);
    let soft = limit.current;
    limit.current = limit.maximum;
    // What can't be raised (some systems' hard limit is one in name alone) stays as it is.
    let allowed = if setrlimit(Resource::Nofile, limit).is_ok() { limit.maximum } else { soft };
    let possible = allowed.map_or(usize::MAX, |descriptors| {
        usize::try_from(descriptors.saturating_sub(RESERVE).max(descriptors / 2)).unwrap_or(usize::MAX)
    });
    if possible < wanted {
        tracing::warn!(
            connections = possible,
            "the limit of open files allows fewer connections than server.max_connections: raise it (LimitNOFILE, ulimit -n)"
        );
    }
    wanted.min(possible)
}
