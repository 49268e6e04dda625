//! What `countersign check --deploy` finds: a setting or a fact that is valid but unsafe in production.

/// One unsafe setting or fact, to be corrected before the server is exposed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The dotted key of the setting that corrects it.
    pub setting: String,
    /// The unsafe condition.
    pub condition: String,
    /// The consequence in production.
    pub consequence: String,
    /// The fix, as an imperative.
    pub fix: String,
}

impl Finding {
    /// Takes the four parts: phrases without a full stop.
    pub fn new(
        setting: impl Into<String>,
        condition: impl Into<String>,
        consequence: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { setting: setting.into(), condition: condition.into(), consequence: consequence.into(), fix: fix.into() }
    }
}
