//! The floors of this machine: the rates of hashes and signatures without a server, which no server on it can exceed.
//! They are measured in the same run as the server, because times of different runs are not comparable on a shared
//! machine.

use std::hint::black_box;
use std::thread;
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, RSA_PKCS1_SHA256};
use serde_json::{Map, Value, json};

use super::figures;

/// The defaults of `[passwords]`.
const MEMORY_KIB: u32 = 19_456;
const ITERATIONS: u32 = 2;

/// The name of the hash rate in the report.
pub const HASHES: &str = "floor_argon2_per_second";

/// Measures hashes per second on all cores, ES256 signatures per second on one and on all cores, and RS256 signatures
/// per second on all cores.
pub fn measure(span: Duration) -> Map<String, Value> {
    let cores = cores();
    let hashes = hashes(span);
    let (one, all) = (on_cores(1, span, signer), on_cores(cores, span, signer));
    let rs256 = on_cores(cores, span, rsa_signer);
    eprintln!(
        "floor: {hashes:.1} argon2id/s on {cores} cores; ES256 {one:.0}/s on one, {all:.0}/s on all; RS256 {rs256:.0}/s on all"
    );
    let report = json!({"cores": cores, HASHES: figures::rounded(hashes), "floor_es256_per_second_per_core": one.round(), "floor_es256_per_second": all.round(), "floor_rs256_per_second": rs256.round()});
    report.as_object().cloned().unwrap_or_default()
}

/// Measures hashes per second on all cores.
pub fn hashes(span: Duration) -> f64 {
    on_cores(cores(), span, hasher)
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Returns the total runs per second of the work that `make` creates, with one instance per core.
fn on_cores<W: FnMut()>(cores: usize, span: Duration, make: impl Fn() -> W + Sync) -> f64 {
    let one = || {
        let mut work = make();
        work();
        let start = Instant::now();
        let mut done = 0.0;
        while start.elapsed() < span {
            work();
            done += 1.0;
        }
        done / start.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
        running.into_iter().map(|core| core.join().expect("the work does not panic")).sum()
    })
}

/// Computes one hash per call in reused memory, like the server.
fn hasher() -> impl FnMut() {
    let params = Params::new(MEMORY_KIB, ITERATIONS, 1, Some(32)).expect("the defaults are valid");
    let blocks = params.block_count();
    let mut memory: Vec<Block> = Vec::with_capacity(blocks);
    memory.resize(blocks, Block::default());
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    move || {
        let mut out = [0; 32];
        let hashed = argon2.hash_password_into_with_memory(
            b"bench-Pa55word-quite-long",
            b"sixteen bytes of",
            &mut out,
            &mut memory,
        );
        hashed.expect("the parameters are valid");
        black_box(out);
    }
}

/// Makes one ES256 signature per call with a loaded key.
fn signer() -> impl FnMut() {
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("generating a key succeeds");
    let random = SystemRandom::new();
    let message = [b'x'; 400];
    move || {
        black_box(key.sign(&random, &message).expect("signing succeeds"));
    }
}

/// Makes one RS256 signature per call with a loaded key of 2048 bits.
fn rsa_signer() -> impl FnMut() {
    let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("generating a key succeeds");
    let random = SystemRandom::new();
    let (message, mut signature) = ([b'x'; 400], vec![0; key.public_modulus_len()]);
    move || {
        key.sign(&RSA_PKCS1_SHA256, &random, &message, &mut signature).expect("signing succeeds");
        black_box(&signature);
    }
}
