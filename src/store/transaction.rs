//! What a closure can read and change in a transaction: the traits of all nouns together.

use super::admin_sessions::{ReadAdminSessions, WriteAdminSessions};
use super::audit::{ReadAudit, WriteAudit};
use super::counts::{ReadCounts, WriteCounts};
use super::email_confirmations::{ReadEmailConfirmations, WriteEmailConfirmations};
use super::health::ReadHealth;
use super::kept_names::{ReadKeptNames, WriteKeptNames};
use super::outbox::{ReadOutbox, WriteOutbox};
use super::reset_codes::{ReadResetCodes, WriteResetCodes};
use super::runs::{ReadRuns, WriteRuns};
use super::sessions::{ReadSessions, WriteSessions};
use super::settings::{ReadSettings, WriteSettings};
use super::social_accounts::{ReadSocialAccounts, WriteSocialAccounts};
use super::users::{ReadUsers, WriteUsers};

/// Everything that can be read.
pub trait Read:
    ReadUsers
    + ReadSessions
    + ReadAdminSessions
    + ReadSocialAccounts
    + ReadResetCodes
    + ReadEmailConfirmations
    + ReadOutbox
    + ReadSettings
    + ReadAudit
    + ReadRuns
    + ReadCounts
    + ReadHealth
    + ReadKeptNames
{
}

/// Everything that can be changed. Later reads in the same closure see the changes.
pub trait Write:
    Read
    + WriteUsers
    + WriteSessions
    + WriteAdminSessions
    + WriteSocialAccounts
    + WriteResetCodes
    + WriteEmailConfirmations
    + WriteOutbox
    + WriteSettings
    + WriteAudit
    + WriteRuns
    + WriteCounts
    + WriteKeptNames
{
}
