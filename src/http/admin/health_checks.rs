//! Whether the issuer is well: a few lights, each with its words. Pure: facts in, lights out.

use std::time::Duration;

use super::dashboard::rounded_span;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// For how long a mail may wait before somebody should look, and before something is wrong.
const MAIL_LATE: [Duration; 2] = [Duration::from_secs(15 * MINUTE), Duration::from_secs(6 * HOUR)];
/// For how long one key may sign while no change is planned.
const KEY_OLD: Duration = Duration::from_secs(400 * 24 * HOUR);
/// How long after a sweep, or the start, the next is late.
const CLEANUP_LATE: Duration = Duration::from_secs(26 * HOUR);
/// How many sign-ins have to fail within a day before it means anything that most did.
const FAILED_MANY: u64 = 50;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HealthLevel {
    /// As it should be.
    Ok,
    /// Somebody should look at it.
    Warning,
    /// Something doesn't work.
    Failing,
}

impl HealthLevel {
    /// Its class in the style sheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Ok => "good",
            Self::Warning => "warn",
            Self::Failing => "bad",
        }
    }

    /// In words, for those who see no colours.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Ok => "well",
            Self::Warning => "look at it",
            Self::Failing => "wrong",
        }
    }
}

/// One light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// What it is about.
    pub subject: &'static str,
    /// How that is.
    pub level: HealthLevel,
    /// Why, and what to do.
    pub message: String,
}

/// What the lights follow from.
#[derive(Clone, Debug)]
pub struct HealthFacts {
    /// Why the issuer can't serve, if it can't.
    pub ready: Result<(), &'static str>,
    /// For how long the oldest of the keys that sign has signed; None where none does.
    pub oldest_signer: Option<Duration>,
    /// How long it is until the next key signs; None where no change is planned.
    pub next_key: Option<Duration>,
    /// Mails that wait.
    pub mails_waiting: u64,
    /// For how long the oldest of them has waited.
    pub oldest_mail: Option<Duration>,
    /// How long ago what is too old was swept, or else the process started.
    pub since_cleanup: Duration,
    /// What broke within a day.
    pub faults: u64,
    /// Sign-ins within a day.
    pub sign_ins: u64,
    /// Sign-ins that were refused within a day.
    pub failed: u64,
}

/// All lights, and the worst of them.
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
            health_check("Signing", HealthLevel::Ok, "Every profile has a key that signs, and the database answers.")
        }
        Err(why) => health_check("Signing", HealthLevel::Failing, format!("Tokens can't be issued: {why}.")),
    }
}

fn rotation(facts: &HealthFacts) -> HealthCheck {
    let subject = "Keys";
    match (facts.oldest_signer, facts.next_key) {
        (None, _) => health_check(subject, HealthLevel::Failing, "No key signs: rotate the keys."),
        (Some(age), Some(next)) => {
            let message =
                format!("The oldest has signed for {}; the next signs in {}.", rounded_span(age), rounded_span(next));
            health_check(subject, HealthLevel::Ok, message)
        }
        (Some(age), None) if age > KEY_OLD => {
            let message = format!("One has signed for {}, and no change is planned: rotate it.", rounded_span(age));
            health_check(subject, HealthLevel::Warning, message)
        }
        (Some(age), None) => health_check(
            subject,
            HealthLevel::Ok,
            format!("The oldest has signed for {}; no change is planned.", rounded_span(age)),
        ),
    }
}

fn mail(facts: &HealthFacts) -> HealthCheck {
    let subject = "Mail";
    let [late, too_late] = MAIL_LATE;
    let Some(oldest) = facts.oldest_mail else { return health_check(subject, HealthLevel::Ok, "No mail waits.") };
    let waiting = match facts.mails_waiting {
        0 | 1 => format!("One mail has waited for {}", rounded_span(oldest)),
        n => format!("{n} mails wait, the oldest for {}", rounded_span(oldest)),
    };
    if oldest > too_late {
        health_check(subject, HealthLevel::Failing, format!("{waiting}: the mail server takes none."))
    } else if oldest > late {
        health_check(subject, HealthLevel::Warning, format!("{waiting}: see why the mail server takes none."))
    } else {
        health_check(subject, HealthLevel::Ok, format!("{waiting}."))
    }
}

fn sign_ins(facts: &HealthFacts) -> HealthCheck {
    let HealthFacts { sign_ins, failed, .. } = facts;
    let message = format!("{sign_ins} came in within a day, {failed} tries were refused");
    if *failed >= FAILED_MANY && failed > sign_ins {
        health_check("Sign-ins", HealthLevel::Warning, format!("{message}: somebody may be guessing passwords."))
    } else {
        health_check("Sign-ins", HealthLevel::Ok, format!("{message}."))
    }
}

fn faults(facts: &HealthFacts) -> HealthCheck {
    match facts.faults {
        0 => health_check("Faults", HealthLevel::Ok, "Nothing broke within a day."),
        1 => {
            health_check("Faults", HealthLevel::Warning, "One request broke something within a day: the log says what.")
        }
        n => health_check(
            "Faults",
            HealthLevel::Warning,
            format!("{n} requests broke something within a day: the log says what."),
        ),
    }
}

fn cleanup(facts: &HealthFacts) -> HealthCheck {
    let ago = rounded_span(facts.since_cleanup);
    if facts.since_cleanup > CLEANUP_LATE {
        health_check(
            "Housekeeping",
            HealthLevel::Warning,
            format!("What is too old was not swept for {ago}: the log may say why."),
        )
    } else {
        health_check("Housekeeping", HealthLevel::Ok, "What is too old is swept.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: HealthFacts = HealthFacts {
        ready: Ok(()),
        oldest_signer: Some(Duration::from_secs(HOUR)),
        next_key: None,
        mails_waiting: 0,
        oldest_mail: None,
        since_cleanup: Duration::ZERO,
        faults: 0,
        sign_ins: 0,
        failed: 49,
    };

    #[test]
    fn health_checks_are_ok_until_one_fails() {
        let (level, all) = health_checks(&WELL);
        assert!(level == HealthLevel::Ok && all.len() == 6, "{all:#?}");
        let hours = |hours| Duration::from_secs(hours * HOUR);
        let mail = |oldest| HealthFacts { mails_waiting: 2, oldest_mail: Some(oldest), ..WELL };
        for (facts, subject, level) in [
            (HealthFacts { ready: Err("no active key"), ..WELL }, "Signing", HealthLevel::Failing),
            (HealthFacts { oldest_signer: None, ..WELL }, "Keys", HealthLevel::Failing),
            (HealthFacts { oldest_signer: Some(hours(24 * 401)), ..WELL }, "Keys", HealthLevel::Warning),
            (mail(hours(1)), "Mail", HealthLevel::Warning),
            (mail(hours(7)), "Mail", HealthLevel::Failing),
            (HealthFacts { failed: 50, ..WELL }, "Sign-ins", HealthLevel::Warning),
            (HealthFacts { faults: 1, ..WELL }, "Faults", HealthLevel::Warning),
            (HealthFacts { since_cleanup: hours(27), ..WELL }, "Housekeeping", HealthLevel::Warning),
        ] {
            let (worst, all) = health_checks(&facts);
            let others: Vec<_> = all.iter().filter(|check| check.level != HealthLevel::Ok).collect();
            assert!(worst == level && others.len() == 1 && others[0].subject == subject, "{subject}: {all:#?}");
        }
        for fine in [
            mail(hours(0)),
            HealthFacts { failed: 60, sign_ins: 60, ..WELL },
            HealthFacts { oldest_signer: Some(hours(24 * 401)), next_key: Some(hours(1)), ..WELL },
        ] {
            assert_eq!(health_checks(&fine).0, HealthLevel::Ok, "{fine:?}");
        }
    }
}
