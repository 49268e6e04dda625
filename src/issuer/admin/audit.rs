//! Reading the log, a page at a time or all of it.

use crate::domain::audit::AuditLine;
use crate::issuer::{Issuer, Refusal};
use crate::store::{AuditPage, AuditQuery};

/// Lines an export reads at once: between two slices its reader is free for others, and the log may be swept.
const SLICE: u32 = 500;

/// A page of the log, newest first.
pub async fn page(issuer: &Issuer, query: AuditQuery) -> Result<AuditPage, Refusal> {
    issuer.store.read(move |tx| Ok(tx.audit_page(&query)?)).await
}

/// All lines that are asked for, newest first, slice by slice. What is written meanwhile is not among them.
#[derive(Clone, Debug)]
pub struct AuditExport {
    rest: Option<AuditQuery>,
}

impl AuditExport {
    /// Begins; the query's limit is the export's own.
    pub fn new(query: AuditQuery) -> Self {
        Self { rest: Some(AuditQuery { limit: SLICE, ..query }) }
    }

    /// The next slice, which may be empty; None at the end.
    pub async fn next(&mut self, issuer: &Issuer) -> Result<Option<Vec<AuditLine>>, Refusal> {
        let Some(query) = self.rest.take() else { return Ok(None) };
        let AuditPage { lines, next } = page(issuer, query.clone()).await?;
        self.rest = next.map(|next| AuditQuery { after: Some(next), ..query });
        Ok(Some(lines))
    }
}
