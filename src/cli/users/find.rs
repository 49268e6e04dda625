//! Finds the user whom an argument names.

use anyhow::{Result, anyhow};

use crate::cli::refusal;
use crate::domain::user::User;
use crate::issuer::{Issuer, users};

pub async fn find(issuer: &Issuer, name: &str) -> Result<User> {
    let found = users::find(issuer, name).await.map_err(refusal::error_from_refusal)?;
    found.ok_or_else(|| anyhow!("there is no user `{name}`; see `countersign users list`"))
}
