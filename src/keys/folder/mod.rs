//! The key folder: the only module that reads and writes the files of private halves. It creates the folder at a first
//! start, checks the files that are needed, and changes them under a lock. This file only assembles the module.
//!
//! `ring.json` is authoritative. A private half is written before the ring lists its key, and removed after the ring
//! has recorded that the key no longer signs. A process that is interrupted at any moment leaves a usable ring, and at
//! worst a file that is not needed.

mod apply;
#[cfg(test)]
mod change_tests;
mod copy;
mod create;
pub mod error;
#[cfg(test)]
mod fault_tests;
mod files;
mod key_folder;
#[cfg(test)]
mod open_tests;
mod passphrase;
mod ring_file;
mod secret;
#[cfg(test)]
mod secret_tests;

pub use copy::ExaminedKeys;
pub use key_folder::{KeyFolder, KeyFolderOptions};
