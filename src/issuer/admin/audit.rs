//! Reads the audit log, by page or as a whole.

use crate::domain::audit::AuditLine;
use crate::issuer::context::Issuer;
use crate::issuer::refusal::Refusal;
use crate::store::{AuditPage, AuditQuery};

/// How many entries an export reads at a time. Between two reads, other requests use the connection, and the cleanup
/// may remove entries.
const EXPORT_BATCH: u32 = 500;

/// Returns a page of the log, newest first.
pub async fn page(issuer: &Issuer, query: AuditQuery) -> Result<AuditPage, Refusal> {
    issuer.store.read(move |tx| Ok(tx.audit_page(&query)?)).await
}

/// Reads all entries that match a query, newest first, in several reads. Entries written after the first read are not
/// included.
#[derive(Clone, Debug)]
pub struct AuditExport {
    rest: Option<AuditQuery>,
}

impl AuditExport {
    /// Begins an export. It ignores the limit in `query`.
    pub fn new(query: AuditQuery) -> Self {
        Self { rest: Some(AuditQuery { limit: EXPORT_BATCH, ..query }) }
    }

    /// Returns the next entries, which may be none; `None` at the end.
    pub async fn next(&mut self, issuer: &Issuer) -> Result<Option<Vec<AuditLine>>, Refusal> {
        let Some(query) = self.rest.take() else { return Ok(None) };
        let AuditPage { lines, next } = page(issuer, query.clone()).await?;
        self.rest = next.map(|next| AuditQuery { after: Some(next), ..query });
        Ok(Some(lines))
    }
}
