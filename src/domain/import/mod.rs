//! What an import reads in addition to users: the values of other systems, their provider accounts and verified
//! addresses, and a count of what stays behind.

pub mod date;
pub mod leftovers;
pub mod links;
pub mod value;
