//! Changes of a key ring. A change is planned, and new keys are made, without any lock. Then the plan is applied to the
//! ring as it is under the lock, or rejected if the ring was changed in between. Nothing is stored here.

use std::sync::Arc;

use super::error::KeySourceError;
use super::new_key::{NewKey, NewKeyOptions};
use super::private_key::read_pair;
use crate::crypto::ring_contents::PublicHalf;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::{Key, KeyChangeError, KeyPolicy, Kid, RevocationPlan, RotationPlan, Schedule};
use crate::domain::secret::{SecretBytes, SecretText};
use crate::domain::time::Timestamp;

/// A change that a [`super::KeySource`] can make.
#[derive(Debug)]
pub enum RingChange {
    /// Adds a new key for an algorithm. It signs after `policy.lead_time()`, or at once if no key is active.
    Rotate {
        /// The algorithm; `None` for every algorithm in the ring.
        alg: Option<Algorithm>,
        /// Whether the new key signs at once.
        at_once: bool,
        /// The policy that gives the dates.
        policy: KeyPolicy,
    },
    /// Carries out rotations that were planned from a loaded ring.
    RotateAsPlanned {
        /// The plans. If the ring has changed since, the whole change is rejected.
        plans: Vec<RotationPlan>,
        /// The policy that gives the dates.
        policy: KeyPolicy,
    },
    /// Adds an existing private key, scheduled as in a rotation.
    Import {
        /// The key in PEM: PKCS#8, PKCS#1 or SEC1.
        pem: SecretBytes,
        /// The passphrase that decrypts it.
        passphrase: Option<SecretText>,
        /// Whether the key signs at once.
        at_once: bool,
        /// The policy that gives the dates.
        policy: KeyPolicy,
    },
    /// Revokes a key: it leaves the JWKS at once, and its private half is deleted. If it was active, the next key signs
    /// at once, or a new key if there is no next one.
    Revoke {
        /// The `kid`, or a prefix of it with at least 4 characters.
        prefix: String,
        /// The policy that gives the dates.
        policy: KeyPolicy,
    },
    /// Removes revoked keys from the ring, and retired keys that no refresh token needs.
    Prune {
        /// The opening time of the oldest session that may have a signed refresh token. `None`: no session has one.
        needed_since: Option<Timestamp>,
    },
}

/// What a change has done.
#[derive(Debug, Default)]
pub struct AppliedChange {
    /// The new keys of a rotation or an import, with their dates.
    pub added: Vec<Key>,
    /// The key that was revoked.
    pub revoked: Option<RevokedKey>,
    /// The keys that are no longer in the ring.
    pub removed: Vec<Key>,
}

/// The result of a revocation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedKey {
    /// The revoked key.
    pub key: Key,
    /// The key that signs from now on, if the revoked key was the active one.
    pub successor: Option<Key>,
}

/// A change with its plan and the keys that it needs.
pub(super) struct PreparedChange {
    plan: ChangePlan,
    /// The new keys. After [`PreparedChange::apply`], those that the schedule contains must be stored.
    pub(super) new_keys: Vec<NewKey>,
}

enum ChangePlan {
    /// One plan for each new key.
    Rotate(Vec<RotationPlan>, KeyPolicy),
    Revoke(RevocationPlan, KeyPolicy),
    Prune(Option<Timestamp>),
}

impl RingChange {
    /// Plans the change for a ring, and makes the new keys. Slow, because it may generate RSA keys.
    pub(super) fn prepare(
        self,
        schedule: &Schedule,
        options: &NewKeyOptions,
        now: Timestamp,
    ) -> Result<PreparedChange, KeySourceError> {
        let rotate = |plans: Vec<RotationPlan>, policy| {
            let new_keys = plans.iter().map(|plan| NewKey::generate(plan.alg, options, now));
            let new_keys = new_keys.collect::<Result<_, _>>()?;
            Ok(PreparedChange { plan: ChangePlan::Rotate(plans, policy), new_keys })
        };
        match self {
            Self::Rotate { alg, at_once, policy } => {
                let algorithms = alg.map_or_else(|| schedule.algorithms().collect(), |alg| vec![alg]);
                rotate(algorithms.into_iter().map(|alg| schedule.plan_rotation(alg, at_once)).collect(), policy)
            }
            Self::RotateAsPlanned { plans, policy } => rotate(plans, policy),
            Self::Import { pem, passphrase, at_once, policy } => {
                let (pair, _) = read_pair(&pem, passphrase.as_ref()).map_err(KeySourceError::Import)?;
                let plan = schedule.plan_rotation(pair.public().alg(), at_once);
                let new_keys = vec![NewKey::new(pair, options, now)?];
                Ok(PreparedChange { plan: ChangePlan::Rotate(vec![plan], policy), new_keys })
            }
            Self::Revoke { prefix, policy } => {
                let plan = schedule.plan_revocation(&prefix, now)?;
                let replacement = plan.replacement.map(|alg| NewKey::generate(alg, options, now)).transpose()?;
                let new_keys = replacement.into_iter().collect();
                Ok(PreparedChange { plan: ChangePlan::Revoke(plan, policy), new_keys })
            }
            Self::Prune { needed_since } => {
                Ok(PreparedChange { plan: ChangePlan::Prune(needed_since), new_keys: Vec::new() })
            }
        }
    }
}

impl PreparedChange {
    /// Applies the plan.
    ///
    /// # Errors
    /// The ring was changed so that the plan no longer applies. Then the schedule may be changed in part, and the caller
    /// must drop it.
    pub(super) fn apply(&self, schedule: &mut Schedule, now: Timestamp) -> Result<AppliedChange, KeyChangeError> {
        let mut applied = AppliedChange::default();
        match &self.plan {
            ChangePlan::Rotate(plans, policy) => {
                for (plan, new_key) in plans.iter().zip(&self.new_keys) {
                    applied.added.push(schedule.rotate(plan, new_key.kid().clone(), now, policy)?);
                }
            }
            ChangePlan::Revoke(plan, policy) => {
                let replacement = self.new_keys.first().map(|new_key| new_key.kid().clone());
                let successor = schedule.revoke(plan, replacement, now, policy)?;
                let unknown = || KeyChangeError::Unknown(plan.kid.to_string());
                let key = schedule.get(&plan.kid).cloned().ok_or_else(unknown)?;
                applied.revoked = Some(RevokedKey { key, successor });
            }
            ChangePlan::Prune(needed_since) => applied.removed = schedule.prune(now, *needed_since),
        }
        Ok(applied)
    }

    /// The public halves of the new keys.
    pub(super) fn into_public_halves(self) -> impl Iterator<Item = (Kid, Arc<PublicHalf>)> {
        self.new_keys.into_iter().map(|new_key| (new_key.kid().clone(), Arc::new(new_key.public)))
    }

    /// The key that the change revokes.
    pub(super) fn revokes(&self) -> Option<&Kid> {
        match &self.plan {
            ChangePlan::Revoke(plan, _) => Some(&plan.kid),
            ChangePlan::Rotate(..) | ChangePlan::Prune(_) => None,
        }
    }
}

impl AppliedChange {
    /// Whether the ring is the same as before.
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.revoked.is_none() && self.removed.is_empty()
    }
}
