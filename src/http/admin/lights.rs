//! Whether the issuer is well: a few lights, each with its words. Pure: facts in, lights out.

use std::time::Duration;

use super::dashboard::roughly;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
/// For how long a mail may wait before somebody should look, and before something is wrong.
const MAIL_LATE: [Duration; 2] = [Duration::from_secs(15 * MINUTE), Duration::from_secs(6 * HOUR)];
/// For how long one key may sign while no change is planned.
const KEY_OLD: Duration = Duration::from_secs(400 * 24 * HOUR);
/// How long after a sweep, or the start, the next is late.
const SWEEP_LATE: Duration = Duration::from_secs(26 * HOUR);
/// How many sign-ins have to fail within a day before it means anything that most did.
const FAILED_MANY: u64 = 50;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Good,
    /// Somebody should look at it.
    Warn,
    /// Something doesn't work.
    Bad,
}

impl Level {
    /// Its class in the style sheet.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// In words, for those who see no colours.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Good => "well",
            Self::Warn => "look at it",
            Self::Bad => "wrong",
        }
    }
}

/// One light.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Light {
    /// What it is about.
    pub what: &'static str,
    /// How that is.
    pub level: Level,
    /// Why, and what to do.
    pub words: String,
}

/// What the lights follow from.
#[derive(Clone, Debug)]
pub struct Facts {
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
    pub since_sweep: Duration,
    /// What broke within a day.
    pub faults: u64,
    /// Sign-ins within a day.
    pub sign_ins: u64,
    /// Sign-ins that were refused within a day.
    pub failed: u64,
}

/// All lights, and the worst of them.
pub fn lights(facts: &Facts) -> (Level, Vec<Light>) {
    let all = vec![signing(facts), rotation(facts), mail(facts), sign_ins(facts), faults(facts), sweep(facts)];
    (all.iter().map(|light| light.level).max().unwrap_or(Level::Good), all)
}

fn light(what: &'static str, level: Level, words: impl Into<String>) -> Light {
    Light { what, level, words: words.into() }
}

fn signing(facts: &Facts) -> Light {
    match facts.ready {
        Ok(()) => light("Signing", Level::Good, "Every profile has a key that signs, and the database answers."),
        Err(why) => light("Signing", Level::Bad, format!("Tokens can't be issued: {why}.")),
    }
}

fn rotation(facts: &Facts) -> Light {
    let what = "Keys";
    match (facts.oldest_signer, facts.next_key) {
        (None, _) => light(what, Level::Bad, "No key signs: rotate the keys."),
        (Some(age), Some(next)) => {
            let words = format!("The oldest has signed for {}; the next signs in {}.", roughly(age), roughly(next));
            light(what, Level::Good, words)
        }
        (Some(age), None) if age > KEY_OLD => {
            let words = format!("One has signed for {}, and no change is planned: rotate it.", roughly(age));
            light(what, Level::Warn, words)
        }
        (Some(age), None) => {
            light(what, Level::Good, format!("The oldest has signed for {}; no change is planned.", roughly(age)))
        }
    }
}

fn mail(facts: &Facts) -> Light {
    let what = "Mail";
    let [late, too_late] = MAIL_LATE;
    let Some(oldest) = facts.oldest_mail else { return light(what, Level::Good, "No mail waits.") };
    let waiting = match facts.mails_waiting {
        0 | 1 => format!("One mail has waited for {}", roughly(oldest)),
        n => format!("{n} mails wait, the oldest for {}", roughly(oldest)),
    };
    if oldest > too_late {
        light(what, Level::Bad, format!("{waiting}: the mail server takes none."))
    } else if oldest > late {
        light(what, Level::Warn, format!("{waiting}: see why the mail server takes none."))
    } else {
        light(what, Level::Good, format!("{waiting}."))
    }
}

fn sign_ins(facts: &Facts) -> Light {
    let Facts { sign_ins, failed, .. } = facts;
    let words = format!("{sign_ins} came in within a day, {failed} tries were refused");
    if *failed >= FAILED_MANY && failed > sign_ins {
        light("Sign-ins", Level::Warn, format!("{words}: somebody may be guessing passwords."))
    } else {
        light("Sign-ins", Level::Good, format!("{words}."))
    }
}

fn faults(facts: &Facts) -> Light {
    match facts.faults {
        0 => light("Faults", Level::Good, "Nothing broke within a day."),
        1 => light("Faults", Level::Warn, "One request broke something within a day: the log says what."),
        n => light("Faults", Level::Warn, format!("{n} requests broke something within a day: the log says what.")),
    }
}

fn sweep(facts: &Facts) -> Light {
    let ago = roughly(facts.since_sweep);
    if facts.since_sweep > SWEEP_LATE {
        light("Housekeeping", Level::Warn, format!("What is too old was not swept for {ago}: the log may say why."))
    } else {
        light("Housekeeping", Level::Good, "What is too old is swept.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WELL: Facts = Facts {
        ready: Ok(()),
        oldest_signer: Some(Duration::from_secs(HOUR)),
        next_key: None,
        mails_waiting: 0,
        oldest_mail: None,
        since_sweep: Duration::ZERO,
        faults: 0,
        sign_ins: 0,
        failed: 49,
    };

    #[test]
    fn all_is_well_until_something_is_not() {
        let (level, all) = lights(&WELL);
        assert!(level == Level::Good && all.len() == 6, "{all:#?}");
        let hours = |hours| Duration::from_secs(hours * HOUR);
        let mail = |oldest| Facts { mails_waiting: 2, oldest_mail: Some(oldest), ..WELL };
        for (facts, what, level) in [
            (Facts { ready: Err("no active key"), ..WELL }, "Signing", Level::Bad),
            (Facts { oldest_signer: None, ..WELL }, "Keys", Level::Bad),
            (Facts { oldest_signer: Some(hours(24 * 401)), ..WELL }, "Keys", Level::Warn),
            (mail(hours(1)), "Mail", Level::Warn),
            (mail(hours(7)), "Mail", Level::Bad),
            (Facts { failed: 50, ..WELL }, "Sign-ins", Level::Warn),
            (Facts { faults: 1, ..WELL }, "Faults", Level::Warn),
            (Facts { since_sweep: hours(27), ..WELL }, "Housekeeping", Level::Warn),
        ] {
            let (worst, all) = lights(&facts);
            let others: Vec<_> = all.iter().filter(|light| light.level != Level::Good).collect();
            assert!(worst == level && others.len() == 1 && others[0].what == what, "{what}: {all:#?}");
        }
        for fine in [
            mail(hours(0)),
            Facts { failed: 60, sign_ins: 60, ..WELL },
            Facts { oldest_signer: Some(hours(24 * 401)), next_key: Some(hours(1)), ..WELL },
        ] {
            assert_eq!(lights(&fine).0, Level::Good, "{fine:?}");
        }
    }
}
