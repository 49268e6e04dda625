//! Secrets that are typed: asked for at the terminal without an echo, or read from standard input or a file.

use std::io::{self, IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::domain::password::Password;
use crate::domain::secret::SecretText;

/// More than any password or passphrase is; bounds what is read by mistake.
const LONGEST: u64 = 64 * 1024;

/// A new password: from standard input, or asked for twice.
pub fn new_password(from_stdin: bool) -> Result<Password> {
    if from_stdin {
        return Ok(Password::new(stdin_line()?));
    }
    if !io::stdin().is_terminal() {
        bail!("asking for a password: there is no terminal; pipe it in and say --password-stdin");
    }
    let first = rpassword::prompt_password("Password: ").context("asking for a password")?;
    let again = rpassword::prompt_password("Once more: ").context("asking for a password")?;
    if first != again {
        bail!("asking for a password: the two are not the same");
    }
    Ok(Password::new(first))
}

/// All of standard input, less the line break at its end.
pub fn stdin_line() -> Result<String> {
    let mut text = String::new();
    io::stdin().take(LONGEST).read_to_string(&mut text).context("reading standard input")?;
    Ok(without_line_break(text))
}

/// A passphrase from a file, less the line break at its end.
pub fn passphrase_file(path: &Path) -> Result<SecretText> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("reading the passphrase from {}", path.display()))?;
    let text = without_line_break(text);
    if text.is_empty() {
        bail!("reading the passphrase from {}: the file is empty", path.display());
    }
    Ok(SecretText::new(text))
}

/// The passphrase of a file that has one, asked for at the terminal.
pub fn passphrase(file: &Path) -> Result<SecretText> {
    if !io::stdin().is_terminal() {
        bail!("{} is encrypted, and there is no terminal to ask at: say --passphrase-file", file.display());
    }
    let text = rpassword::prompt_password(format!("Passphrase of {}: ", file.display()))
        .context("asking for the passphrase")?;
    Ok(SecretText::new(text))
}

fn without_line_break(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}
