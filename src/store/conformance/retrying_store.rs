//! A store that runs every closure twice and undoes the first run, as a backend does that retries transactions. A
//! closure with an effect outside the store fails its case.

use std::sync::Arc;

use crate::domain::session::Session;
use crate::domain::user::User;
use crate::store::{Read, RefreshStep, SessionKey, Store, StoreError, Write};

/// A store and its first runs. Clones share the store.
#[derive(Clone)]
pub(crate) struct RetryingStore {
    /// Runs a closure once, for a case that blocks inside it.
    pub(crate) plain: Store,
}

/// Runs a closure whose changes must be undone: it fails whatever the run returns.
fn undone<T, E>(_: Result<T, E>) -> Result<(), StoreError> {
    Err(StoreError::Unavailable("the first run is undone".to_owned()))
}

impl RetryingStore {
    pub(crate) fn new(plain: Store) -> Self {
        Self { plain }
    }

    pub(crate) async fn read<T, E>(
        &self,
        job: impl Fn(&dyn Read) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let job = Arc::new(job);
        let first = Arc::clone(&job);
        let _ = self.plain.read(move |tx| undone(first(tx))).await;
        self.plain.read(move |tx| job(tx)).await
    }

    pub(crate) async fn write<T, E>(
        &self,
        job: impl Fn(&dyn Write) -> Result<T, E> + Send + Sync + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let job = Arc::new(job);
        let first = Arc::clone(&job);
        let _ = self.plain.write(move |tx| undone(first(tx))).await;
        self.plain.write(move |tx| job(tx)).await
    }

    pub(crate) async fn refresh_session<T: Send + 'static>(
        &self,
        key: SessionKey,
        decide: impl Fn(Option<(Session, User)>) -> RefreshStep<T> + Send + Sync + 'static,
    ) -> Result<T, StoreError> {
        let decide = Arc::new(decide);
        let first = Arc::clone(&decide);
        let refresh = move |tx: &dyn Write| match first(key.find(tx)?) {
            RefreshStep::Advance(..) | RefreshStep::Unchanged(_) => undone(Ok::<(), StoreError>(())),
            RefreshStep::Write(job) => undone(job(tx)),
        };
        let _ = self.plain.write(refresh).await;
        self.plain.refresh_session(key, move |found| decide(found)).await
    }
}
