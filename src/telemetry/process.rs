//! Memory, files and processor time of this process. Linux reports them in `/proc`; on other systems they are unknown.

use std::fs;

/// The resolution of times in `/proc/<pid>/stat`. Linux reports hundredths of a second on every architecture.
const TICKS_PER_SECOND: f64 = 100.0;
/// The unit of sizes in `/proc/<pid>/status`.
const KIB: u64 = 1024;

/// The resources that the process uses. A field is `None` if the system does not report it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Process {
    /// Resident memory, in bytes.
    pub resident: Option<u64>,
    /// Open file descriptors, including the descriptor opened to count them.
    pub open_files: Option<u64>,
    /// The soft limit of open file descriptors; `None` if unlimited.
    pub max_files: Option<u64>,
    /// Processor time used, in seconds.
    pub cpu_seconds: Option<f64>,
}

impl Process {
    /// Reads the current values from a few small files in `/proc`, without disk access.
    pub fn read() -> Self {
        let read = |name: &str| fs::read_to_string(format!("/proc/self/{name}")).ok();
        let open_files = fs::read_dir("/proc/self/fd").ok().map(Iterator::count);
        Self {
            resident: read("status").and_then(|text| resident(&text)),
            open_files: open_files.and_then(|count| count.try_into().ok()),
            max_files: read("limits").and_then(|text| max_files(&text)),
            cpu_seconds: read("stat").and_then(|text| cpu_seconds(&text)),
        }
    }
}

fn resident(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kib| kib * KIB)
}

fn max_files(limits: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Returns user and system time, in seconds. The process name is in parentheses and may itself contain spaces and
/// parentheses.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u32>);
    let user = times.next()?.ok()?;
    let system = times.next()?.ok()?;
    Some((f64::from(user) + f64::from(system)) / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_parsed() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   13456 kB\nVmData: 1 kB\n"), Some(13_456 * 1024));
        let limits = "Limit                     Soft Limit           Hard Limit           Units\n\
                      Max open files            1024                 524288               files\n";
        assert_eq!(max_files(limits), Some(1024));
        assert_eq!(max_files("Max open files            unlimited            unlimited            files"), None);
        let stat = "7 (a) b) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 4 0 1 1 1";
        assert_eq!(cpu_seconds(stat), Some(3.0));
        assert_eq!((resident(""), max_files(""), cpu_seconds("")), (None, None, None));
    }
}
