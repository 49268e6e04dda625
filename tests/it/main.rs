//! Integration tests: a real server on a free port, real mail, a clock in hand.

mod cors;
mod dialects_support;
mod drf_pyjwt;
mod import;
mod rest_jwt;
mod simplejwt;
mod smtp;
mod support;
