//! Asking a person before what can't be undone.

use std::io::{self, IsTerminal as _, Write as _};

use anyhow::{Result, bail};

/// Goes on if a person at the terminal types `yes`. With `--yes`, and where nobody is there to ask (a script), nobody is.
pub fn confirm(yes: bool, what: &str) -> Result<()> {
    if yes || !io::stdin().is_terminal() {
        return Ok(());
    }
    write!(io::stderr(), "{what} Type yes to go on: ")?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if answer.trim() == "yes" { Ok(()) } else { bail!("nothing was changed: the answer was not yes") }
}
