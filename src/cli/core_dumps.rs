//! Disables core dumps, because the memory of the process contains private keys, passwords and tokens.

use rustix::io;
#[cfg(target_os = "linux")]
use rustix::process::{DumpableBehavior, set_dumpable_behavior};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Sets the limit of core files to zero. A core file can also be written through a pipe to a program, regardless of
/// this limit, so on Linux the process also becomes non-dumpable. Other processes of the same user can then no longer
/// read its memory either.
///
/// # Errors
/// If the operating system refuses, for example because of a system call filter.
pub fn disable() -> io::Result<()> {
    #[cfg(target_os = "linux")]
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    if getrlimit(Resource::Core) == none { Ok(()) } else { setrlimit(Resource::Core, none) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn core_dumps_are_disabled() {
        for _ in 0..2 {
            disable().expect("a process may lower its limits");
            assert_eq!(getrlimit(Resource::Core), Rlimit { current: Some(0), maximum: Some(0) });
            #[cfg(target_os = "linux")]
            assert_eq!(rustix::process::dumpable_behavior(), Ok(DumpableBehavior::NotDumpable));
        }
    }
}
