//! The OpenAPI 3.1 description of the routes, built from tables next to the handlers, one table per group of routes
//! (`model`). It contains the enabled dialects and the routes that belong to no dialect, without the admin zone and
//! `/metrics`. The paths of the dialects are spelled as in the documentation of the systems that they replace.
//!
//! This module imports no other routes: it receives the list of their tables.

pub mod document;
pub mod model;
pub mod routes;
