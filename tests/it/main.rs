//! Integration tests: a real server on a free port, real mail, a clock in hand.

mod cors;
mod rest_jwt;
mod smtp;
mod support;
