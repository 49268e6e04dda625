//! The key folder of the configuration.

use crate::clock::Clock;
use crate::config::Config;
use crate::domain::key::KeyTimes;
use crate::keys::folder::{KeyFolder, KeyFolderOptions};
use crate::keys::new_key::NewKeyOptions;
use crate::random::Random;

/// Returns the key folder that the configuration names. Opens no file.
pub fn key_folder(config: &Config, clock: Clock, random: Random) -> KeyFolder {
    let options = KeyFolderOptions {
        path: config.keys_dir.clone(),
        passphrase: config.keys.passphrase.clone(),
        new_keys: NewKeyOptions {
            algorithms: config.keys.algorithms.clone(),
            rsa_bits: config.keys.rsa_bits,
            certificate_name: config.server.public_url.host().to_owned(),
        },
        check_modes: config.keys.check_modes,
        default_algorithm: config.tokens.algorithm,
    };
    KeyFolder::new(options, clock, random)
}

/// Returns the time spans from which rotations are planned.
pub fn key_times(config: &Config) -> KeyTimes {
    KeyTimes {
        publish_ahead: config.keys.publish_ahead,
        jwks_max_age: config.keys.jwks_max_age,
        leeway: config.tokens.leeway,
    }
}
