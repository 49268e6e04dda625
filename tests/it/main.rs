//! Integration tests: a real server on a free port, real mail, a clock in hand.

mod admin;
mod backup;
mod cli;
mod cors;
mod counters;
mod crash;
mod crossing;
mod dialects_support;
mod drf_pyjwt;
mod import;
mod jwt_issuer;
mod keys;
mod listener;
mod metrics;
mod openapi;
mod operators;
mod process;
mod races;
mod rest_jwt;
mod sessions;
mod simplejwt;
mod smtp;
mod social;
mod support;
mod tls;
mod wellknown;
