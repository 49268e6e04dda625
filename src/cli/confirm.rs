//! Confirmation of irreversible commands.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Result, bail};

/// Prints the warning and asks the operator to type `yes`. Does not ask if the command has `--yes`, or if standard
/// input is not a terminal, as in a script.
///
/// # Errors
/// The operator typed something else.
pub fn confirm(yes: bool, warning: &str) -> Result<()> {
    if yes || !io::stdin().is_terminal() {
        return Ok(());
    }
    write!(io::stderr(), "{warning} Type yes to continue: ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { bail!("nothing was changed, because the answer was not yes") }
}
