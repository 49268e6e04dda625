//! Reads the users page by page, so that each query is short.

use anyhow::Result;

use crate::domain::id::UserId;
use crate::domain::user::User;
use crate::store::{Store, StoreError, UserQuery};

/// The number of users per query.
const PAGE_SIZE: u32 = 1000;

/// Calls `take` with each page of the users whose names or e-mail address contain `text`, ordered by id.
pub(super) async fn for_each_page(
    store: &Store,
    text: Option<&str>,
    mut take: impl FnMut(Vec<User>) -> Result<()>,
) -> Result<()> {
    let mut after: Option<UserId> = None;
    loop {
        let query = UserQuery { text: text.map(str::to_owned), after, limit: PAGE_SIZE };
        let page = store.read(move |tx| tx.users(&query)).await.map_err(|error: StoreError| error)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.id);
        take(page)?;
    }
}
