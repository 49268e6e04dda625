//! What the use cases on keys need: a running server has all of it; the command line needs no issuer and no database.

use std::sync::Arc;

use tracing::Instrument as _;

use super::super::context::Issuer;
use super::super::settings;
use super::error::KeysError;
use super::outcome::RecordedChange;
use super::policy::policy_with;
use super::record::{record, record_changes};
use super::reload::reload;
use crate::clock::Clock;
use crate::domain::audit::{Action, Operator};
use crate::domain::key::{Key, KeyPolicy, KeyTimes};
use crate::domain::setting::snapshot::Settings;
use crate::keys::KeySource;
use crate::keys::change::{AppliedChange, RingChange};
use crate::store::Store;

/// The database, as far as a change of keys finds one.
#[derive(Clone, Debug)]
pub enum KeyStore {
    /// The database is open. A server's may be unavailable.
    Open(Store),
    /// There is no database yet.
    Missing,
    /// The database exists and cannot be opened, for this reason.
    Unopened(String),
}

/// Where keys are changed. Cheap to clone.
#[derive(Clone, Debug)]
pub struct KeyContext {
    source: Arc<KeySource>,
    clock: Clock,
    times: KeyTimes,
    store: KeyStore,
    /// The server that must use a change at once. `None` for the command line.
    server: Option<Arc<Issuer>>,
}

impl KeyContext {
    /// The context of a running server.
    pub fn of_server(issuer: &Arc<Issuer>) -> Self {
        Self {
            source: Arc::clone(&issuer.key_source),
            clock: issuer.clock.clone(),
            times: issuer.policy.keys,
            store: KeyStore::Open(issuer.store.clone()),
            server: Some(Arc::clone(issuer)),
        }
    }

    /// The context of a command.
    pub fn of_command(source: Arc<KeySource>, clock: Clock, times: KeyTimes, store: KeyStore) -> Self {
        Self { source, clock, times, store, server: None }
    }

    /// Closes the database of a command.
    pub async fn close(self) {
        if let (KeyStore::Open(store), None) = (&self.store, &self.server) {
            store.close().await;
        }
    }

    /// The database; `None` if there is none yet.
    pub(super) fn store(&self) -> Result<Option<&Store>, KeysError> {
        match &self.store {
            KeyStore::Open(store) => Ok(Some(store)),
            KeyStore::Missing => Ok(None),
            KeyStore::Unopened(error) => Err(KeysError::Unopened(error.clone())),
        }
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The policy, with the runtime settings from the database: another server may just have changed a lifetime. If
    /// there is no database, the default settings apply.
    pub(super) async fn policy(&self) -> Result<KeyPolicy, KeysError> {
        match self.store()? {
            Some(store) => {
                let (settings, _) = settings::load(store).await.map_err(KeysError::Settings)?;
                Ok(policy_with(&self.times, &settings))
            }
            None => self.policy_without_settings(),
        }
    }

    /// The policy with the default settings. Every key stays published at least as long as planned, because issued
    /// tokens may still need it.
    pub(super) fn policy_without_settings(&self) -> Result<KeyPolicy, KeysError> {
        let planned = match self.source.schedule() {
            Ok(schedule) => schedule.keys().iter().filter_map(|key| key.published_until).max(),
            Err(error) if error.is_empty() => None,
            Err(error) => return Err(KeysError::Unready(error)),
        };
        Ok(KeyPolicy { promised_until: planned, ..policy_with(&self.times, &Settings::default()) })
    }

    /// Creates the first keys if a command finds none, records them, and returns them with the reason why they are not
    /// in the audit log. A server has created them at its start; if it finds none later, they were lost.
    pub(super) async fn create_first_keys(&self, by: &Operator) -> Result<(Vec<Key>, Option<String>), KeysError> {
        if self.server.is_some() {
            return Ok((Vec::new(), None));
        }
        let added = self.on_source(KeySource::create).await?.map_err(KeysError::Unready)?;
        let applied = AppliedChange { added, ..AppliedChange::default() };
        let unrecorded = self.record(by, &applied).await;
        Ok((applied.added, unrecorded))
    }

    /// Makes the change, reloads the ring of a server, and records the change in the audit log. When this returns, this
    /// process uses the new ring.
    ///
    /// A separate task completes all three steps, even if the caller is dropped because its client has disconnected.
    pub(super) async fn apply(&self, change: RingChange, by: Operator) -> Result<RecordedChange, KeysError> {
        let context = self.clone();
        let task = async move { context.apply_in_task(change, &by).await };
        tokio::spawn(task.in_current_span()).await?
    }

    async fn apply_in_task(&self, change: RingChange, by: &Operator) -> Result<RecordedChange, KeysError> {
        let server = self.server.clone();
        let changed = self.on_source(move |source| {
            let applied = source.apply(change)?;
            Ok((applied, server.map_or(Ok(()), |server| reload(&server))))
        });
        let (applied, reloaded) = changed.await?.map_err(KeysError::Change)?;
        let unrecorded = self.record(by, &applied).await;
        reloaded.map_err(KeysError::Reload)?;
        Ok(RecordedChange { applied, unrecorded })
    }

    pub(super) async fn on_source<T: Send + 'static>(
        &self,
        work: impl FnOnce(&KeySource) -> T + Send + 'static,
    ) -> Result<T, KeysError> {
        let source = Arc::clone(&self.source);
        Ok(tokio::task::spawn_blocking(move || work(&source)).await?)
    }

    /// Records an action in the audit log, and returns why that failed.
    pub(super) async fn record_action(&self, by: &Operator, action: Action, detail: String) -> Option<String> {
        record_changes(self.store(), self.clock.now(), by, vec![(action, detail)]).await
    }

    /// Records a change in the audit log, and returns why that failed.
    pub(super) async fn record(&self, by: &Operator, applied: &AppliedChange) -> Option<String> {
        record(self.store(), self.clock.now(), by, applied).await
    }
}
