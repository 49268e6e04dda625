//! The health checks of the dashboard. A pure function computes them from [`HealthFacts`].

use std::time::Duration;

use crate::domain::duration::rounded_down;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// The age of the oldest waiting e-mail above which the check warns, and above which it fails.
const MAIL_LATE: [Duration; 2] = [Duration::from_secs(15 * MINUTE), Duration::from_secs(6 * HOUR)];
/// How long a key may sign without a planned rotation before the check advises to rotate it.
const KEY_OLD: Duration = Duration::from_secs(400 * 24 * HOUR);
/// The time since the last clean-up of expired rows after which the check warns.
const CLEANUP_LATE: Duration = Duration::from_secs(26 * HOUR);
/// The minimum number of failed sign-ins in the last 24 hours for which the check warns. It warns only if more sign-ins
/// failed than were successful.
const FAILED_MANY: u64 = 50;

/// The result of a health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthLevel {
    /// Everything works.
    Ok,
    /// The operator should find the cause.
    Warning,
    /// Something does not work.
    Failing,
}

impl HealthLevel {
    /// The class in the style sheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Ok => "good",
            Self::Warning => "warn",
            Self::Failing => "bad",
        }
    }

    /// The label, for users who cannot distinguish the colours.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Failing => "failing",
        }
    }
}

/// One health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What is checked.
    pub subject: &'static str,
    /// The result.
    pub level: HealthLevel,
    /// The reason, and what to do.
    pub message: String,
}

/// The facts from which the health checks are computed.
#[derive(Clone, Debug)]
pub struct HealthFacts {
    /// Whether every profile has an active key and the database answers. The error is the reason why not.
    pub ready: Result<(), &'static str>,
    /// How long the oldest active key has been signing. `None` if no key is active.
    pub oldest_signer: Option<Duration>,
    /// The time until the next key signs. `None` if no rotation is planned, which is a warning.
    pub next_key: Option<Duration>,
    /// Whether e-mails are sent by a mail server, and not written to files.
    pub has_mail_server: bool,
    /// The number of waiting e-mails.
    pub mails_waiting: u64,
    /// The age of the oldest waiting e-mail. `None` if none is waiting.
    pub oldest_mail: Option<Duration>,
    /// The time since the last clean-up of expired rows, or since the process started if there was none.
    pub since_cleanup: Duration,
    /// The number of internal errors in the last 24 hours.
    pub faults: u64,
    /// The number of successful sign-ins in the last 24 hours.
    pub sign_ins: u64,
    /// The number of failed sign-ins in the last 24 hours.
    pub failed: u64,
}

/// Computes all health checks. Also returns the worst level.
pub fn health_checks(facts: &HealthFacts) -> (HealthLevel, Vec<HealthCheck>) {
    let all = vec![signing(facts), rotation(facts), mail(facts), sign_ins(facts), faults(facts), cleanup(facts)];
    (all.iter().map(|check| check.level).max().unwrap_or(HealthLevel::Ok), all)
}

fn health_check(subject: &'static str, level: HealthLevel, message: impl Into<String>) -> HealthCheck {
    HealthCheck { subject, level, message: message.into() }
}

fn signing(facts: &HealthFacts) -> HealthCheck {
    match facts.ready {
        Ok(()) => {
            health_check("Signing", HealthLevel::Ok, "Every profile has an active key, and the database answers.")
        }
        Err(why) => health_check("Signing", HealthLevel::Failing, format!("Tokens cannot be issued: {why}.")),
    }
}

fn rotation(facts: &HealthFacts) -> HealthCheck {
    let subject = "Keys";
    match (facts.oldest_signer, facts.next_key) {
        (None, _) => health_check(subject, HealthLevel::Failing, "There is no active key. Rotate the keys."),
        (Some(age), Some(next)) => {
            let message = format!(
                "The oldest active key has signed for {}. The next key signs in {}.",
                rounded_down(age),
                rounded_down(next)
            );
            health_check(subject, HealthLevel::Ok, message)
        }
        (Some(age), None) => {
            let advice = if age > KEY_OLD { "Rotate it, or set keys.rotate_every." } else { "Set keys.rotate_every." };
            let message =
                format!("No rotation is planned. The oldest active key has signed for {}. {advice}", rounded_down(age));
            health_check(subject, HealthLevel::Warning, message)
        }
    }
}

fn mail(facts: &HealthFacts) -> HealthCheck {
    let subject = "E-mail";
    let [late, too_late] = MAIL_LATE;
    if !facts.has_mail_server {
        let message =
            "No mail server: resets go to files, so users receive no reset codes. Set email.host and email.from.";
        return health_check(subject, HealthLevel::Warning, message);
    }
    let Some(oldest) = facts.oldest_mail else {
        return health_check(subject, HealthLevel::Ok, "No e-mail is waiting.");
    };
    let waiting = match facts.mails_waiting {
        0 | 1 => format!("1 e-mail has been waiting for {}", rounded_down(oldest)),
        n => format!("{n} e-mails are waiting, the oldest for {}", rounded_down(oldest)),
    };
    if oldest > too_late {
        let message =
            format!("{waiting}. The server gives up after 24 hours. See the last error in the section E-mails.");
        health_check(subject, HealthLevel::Failing, message)
    } else if oldest > late {
        let message = format!("{waiting}. See the last error in the section E-mails.");
        health_check(subject, HealthLevel::Warning, message)
    } else {
        health_check(subject, HealthLevel::Ok, format!("{waiting}."))
    }
}

fn sign_ins(facts: &HealthFacts) -> HealthCheck {
    let HealthFacts { sign_ins, failed, .. } = facts;
    let message = format!("Last 24 hours: {sign_ins} successful, {failed} failed");
    if *failed >= FAILED_MANY && failed > sign_ins {
        health_check("Sign-ins", HealthLevel::Warning, format!("{message}. An attacker may be guessing passwords."))
    } else {
        health_check("Sign-ins", HealthLevel::Ok, format!("{message}."))
    }
}

fn faults(facts: &HealthFacts) -> HealthCheck {
    let subject = "Internal errors";
    match facts.faults {
        0 => health_check(subject, HealthLevel::Ok, "No request failed with an internal error in the last 24 hours."),
        1 => {
            let message = "1 request failed with an internal error in the last 24 hours. See the log.";
            health_check(subject, HealthLevel::Warning, message)
        }
        n => health_check(
            subject,
            HealthLevel::Warning,
            format!("{n} requests failed with an internal error in the last 24 hours. See the log."),
        ),
    }
}

fn cleanup(facts: &HealthFacts) -> HealthCheck {
    let ago = rounded_down(facts.since_cleanup);
    if facts.since_cleanup > CLEANUP_LATE {
        health_check(
            "Clean-up",
            HealthLevel::Warning,
            format!("Expired rows have not been removed for {ago}. See the log for the reason."),
        )
    } else {
        health_check("Clean-up", HealthLevel::Ok, "Expired rows are removed regularly.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: HealthFacts = HealthFacts {
        ready: Ok(()),
        oldest_signer: Some(Duration::from_secs(HOUR)),
        next_key: Some(Duration::from_secs(HOUR)),
        has_mail_server: true,
        mails_waiting: 0,
        oldest_mail: None,
        since_cleanup: Duration::ZERO,
        faults: 0,
        sign_ins: 0,
        failed: 49,
    };

    #[test]
    fn health_checks_are_ok_until_one_fails() {
        let (level, all) = health_checks(&HEALTHY);
        assert!(level == HealthLevel::Ok && all.len() == 6, "{all:#?}");
        let hours = |hours| Duration::from_secs(hours * HOUR);
        let mail = |oldest| HealthFacts { mails_waiting: 2, oldest_mail: Some(oldest), ..HEALTHY };
        for (facts, subject, level) in [
            (HealthFacts { ready: Err("no active key"), ..HEALTHY }, "Signing", HealthLevel::Failing),
            (HealthFacts { oldest_signer: None, ..HEALTHY }, "Keys", HealthLevel::Failing),
            (HealthFacts { next_key: None, ..HEALTHY }, "Keys", HealthLevel::Warning),
            (
                HealthFacts { oldest_signer: Some(hours(24 * 401)), next_key: None, ..HEALTHY },
                "Keys",
                HealthLevel::Warning,
            ),
            (HealthFacts { has_mail_server: false, ..HEALTHY }, "E-mail", HealthLevel::Warning),
            (mail(hours(1)), "E-mail", HealthLevel::Warning),
            (mail(hours(7)), "E-mail", HealthLevel::Failing),
            (HealthFacts { failed: 50, ..HEALTHY }, "Sign-ins", HealthLevel::Warning),
            (HealthFacts { faults: 1, ..HEALTHY }, "Internal errors", HealthLevel::Warning),
            (HealthFacts { since_cleanup: hours(27), ..HEALTHY }, "Clean-up", HealthLevel::Warning),
        ] {
            let (worst, all) = health_checks(&facts);
            let others: Vec<_> = all.iter().filter(|check| check.level != HealthLevel::Ok).collect();
            assert!(worst == level && others.len() == 1 && others[0].subject == subject, "{subject}: {all:#?}");
        }
        for facts in [
            mail(hours(0)),
            HealthFacts { failed: 60, sign_ins: 60, ..HEALTHY },
            HealthFacts { oldest_signer: Some(hours(24 * 401)), next_key: Some(hours(1)), ..HEALTHY },
        ] {
            assert_eq!(health_checks(&facts).0, HealthLevel::Ok, "{facts:?}");
        }
    }
}
