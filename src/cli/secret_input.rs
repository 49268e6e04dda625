//! Reads secrets from a terminal without echo, from standard input or from a file.

use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use zeroize::Zeroizing;

use crate::domain::password::Password;
use crate::domain::secret::SecretText;

/// The maximum number of bytes of an input. It is longer than any password, and limits the read if the wrong file is
/// named or redirected to standard input.
const MAX_BYTES: u64 = 64 * 1024;

/// Reads a new password from standard input, or prompts for it twice.
pub fn new_password(from_stdin: bool) -> Result<Password> {
    if from_stdin {
        return Ok(Password::new(stdin_line()?));
    }
    if !io::stdin().is_terminal() {
        bail!("cannot prompt for the password: standard input is not a terminal; pipe it in with --password-stdin");
    }
    let first = rpassword::prompt_password("Password: ").context("cannot read the password")?;
    let again = rpassword::prompt_password("Repeat the password: ").context("cannot read the password")?;
    if first != again {
        bail!("the two passwords differ; run the command again");
    }
    Ok(Password::new(first))
}

/// Reads standard input to its end, and removes the line break at the end.
pub fn stdin_line() -> Result<String> {
    read_text(io::stdin()).map(without_line_break).context("cannot read standard input")
}

/// Reads a passphrase from a file, without the line break at its end.
pub fn passphrase_file(path: &Path) -> Result<SecretText> {
    let text = File::open(path).map_err(Into::into).and_then(read_text);
    let text = text.with_context(|| format!("cannot read the passphrase from {}", path.display()))?;
    let text = without_line_break(text);
    if text.is_empty() {
        bail!("cannot read the passphrase from {}: the file is empty", path.display());
    }
    Ok(SecretText::new(text))
}

/// Reads a file with a private key.
pub fn file(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)?.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        bail!("it has more than {MAX_BYTES} bytes");
    }
    Ok(bytes)
}

/// Prompts for the passphrase of an encrypted file.
pub fn passphrase(file: &Path) -> Result<SecretText> {
    if !io::stdin().is_terminal() {
        bail!("{} is encrypted, and standard input is not a terminal; pass --passphrase-file", file.display());
    }
    let text = rpassword::prompt_password(format!("Passphrase of {}: ", file.display()))
        .context("cannot read the passphrase")?;
    Ok(SecretText::new(text))
}

/// Reads a text to its end. A longer one than the maximum is an error, because a part of a password must not become the
/// password.
fn read_text(from: impl Read) -> Result<String> {
    let mut text = String::new();
    from.take(MAX_BYTES + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_BYTES {
        bail!("it has more than {MAX_BYTES} bytes");
    }
    Ok(text)
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
