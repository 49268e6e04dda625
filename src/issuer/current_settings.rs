//! The runtime settings in use, with what is computed from them once instead of for each request.

use std::sync::Arc;

use crate::domain::origin::Origin;
use crate::domain::setting::snapshot::Settings;
use crate::domain::token_spec::{TokenDefaults, TokenSpec};

/// An immutable snapshot of the runtime settings; replaced as a whole.
#[derive(Debug)]
pub struct CurrentSettings {
    settings: Arc<Settings>,
    /// The revision of the stored settings that were read.
    revision: u64,
    /// In the order of [`Origin::all`].
    token_specs: Vec<TokenSpec>,
}

impl CurrentSettings {
    /// Makes the snapshot.
    pub fn new(settings: Settings, revision: u64, defaults: &TokenDefaults) -> Self {
        let token_specs = Origin::all().map(|origin| settings.profile(origin).token_spec(defaults)).collect();
        Self { settings: Arc::new(settings), revision, token_specs }
    }

    /// The runtime settings.
    pub fn settings(&self) -> &Arc<Settings> {
        &self.settings
    }

    /// The revision of the stored settings that were read.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// What the tokens of every origin contain.
    pub fn token_specs(&self) -> &[TokenSpec] {
        &self.token_specs
    }

    /// What the tokens of an origin contain.
    pub fn token_spec(&self, opened_by: Origin) -> &TokenSpec {
        &self.token_specs[opened_by.index()]
    }
}
