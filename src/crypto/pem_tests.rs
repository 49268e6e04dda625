//! Tests of the PEM reader: every form that `openssl` writes, free layouts, and rejected files.
#![expect(clippy::unwrap_used, reason = "tests")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::Encode;
use pkcs8::der::asn1::ObjectIdentifier;
use sec1::{EcParameters, EcPrivateKey};

use super::pem::{PemError, read, write};
use crate::crypto::key_error::KeyError;
use crate::crypto::key_pair::KeyPair;
use crate::crypto::testing::openssl;
use crate::domain::algorithm::Algorithm;
use crate::domain::secret::{SecretBytes, SecretText};
use crate::random::Random;

fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn kid(pem: &[u8], passphrase: Option<&SecretText>) -> String {
    let opened = read(pem, passphrase).unwrap();
    let pair = KeyPair::from_pkcs8_der(&opened.pkcs8).unwrap();
    pair.self_test().unwrap();
    pair.public().kid().to_string()
}

fn read_error(pem: impl AsRef<[u8]>, passphrase: Option<&SecretText>) -> PemError {
    read(pem.as_ref(), passphrase).unwrap_err()
}

#[test]
fn written_pem_is_read_here_and_by_openssl() {
    for alg in Algorithm::ALL {
        let pair = KeyPair::generate(alg, 2048).unwrap();
        for passphrase in [None, Some(secret("correct horse"))] {
            let pem = write(&pair.to_pkcs8_der().unwrap(), passphrase.as_ref(), &Random::seeded(1)).unwrap();
            assert_eq!(read(pem.as_bytes(), passphrase.as_ref()).unwrap().encrypted, passphrase.is_some());
            assert_eq!(kid(pem.as_bytes(), passphrase.as_ref()), pair.public().kid().as_str());
            if let Some(public) = openssl(&["pkey", "-pubout", "-passin", "pass:correct horse"], pem.as_bytes()) {
                assert_eq!(String::from_utf8(public).unwrap(), pair.public().spki_pem().unwrap());
            }
        }
    }
}

#[test]
fn wrong_and_missing_passphrases_are_distinct_errors() {
    let pair = KeyPair::generate(Algorithm::Es256, 0).unwrap();
    let pem = write(&pair.to_pkcs8_der().unwrap(), Some(&secret("right")), &Random::seeded(1)).unwrap();
    assert_eq!(read_error(&*pem, None), PemError::NeedsPassphrase);
    assert_eq!(read_error(&*pem, Some(&secret("wrong"))), PemError::WrongPassphrase);
}

#[test]
fn every_form_that_openssl_writes_gives_the_same_key() {
    let pass = ["-passout", "pass:pw"];
    let formats: [&[&str]; 7] = [
        &["pkcs8", "-topk8", "-nocrypt"],
        &["pkcs8", "-topk8", "-v2", "aes-128-cbc", pass[0], pass[1]],
        &["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-v2prf", "hmacWithSHA512", pass[0], pass[1]],
        &["pkcs8", "-topk8", "-v2", "aes-192-cbc", "-scrypt", pass[0], pass[1]],
        &["pkey"],
        &["pkey", "-traditional"],
        &["pkey", "-text"],
    ];
    let ec = ["ecparam", "-genkey", "-name", "prime256v1"];
    let rsa = ["genrsa", "-traditional", "2048"];
    for generate in [&ec[..], &rsa[..]] {
        let Some(original) = openssl(generate, b"") else { return };
        let expected = kid(&original, None);
        for format in formats {
            let pem = openssl(format, &original).unwrap();
            assert_eq!(kid(&pem, Some(&secret("pw"))), expected, "{format:?}");
        }
    }
}

#[test]
fn unsupported_pem_forms_are_rejected_with_advice() {
    let Some(original) = openssl(&["genrsa", "-traditional", "2048"], b"") else { return };
    let legacy = openssl(&["rsa", "-aes128", "-traditional", "-passout", "pass:pw"], &original).unwrap();
    assert_eq!(read_error(legacy, Some(&secret("pw"))), PemError::LegacyEncryption);
    let sha1 = ["pkcs8", "-topk8", "-v2", "aes-128-cbc", "-v2prf", "hmacWithSHA1", "-passout", "pass:pw"];
    assert_eq!(read_error(openssl(&sha1, &original).unwrap(), Some(&secret("pw"))), PemError::Encryption);
    let des = ["pkcs8", "-topk8", "-v2", "des3", "-passout", "pass:pw"];
    assert_eq!(read_error(openssl(&des, &original).unwrap(), Some(&secret("pw"))), PemError::Encryption);
    let public = openssl(&["pkey", "-pubout"], &original).unwrap();
    assert_eq!(read_error(public, None), PemError::NoPrivateKey("PUBLIC KEY".to_owned()));
    assert_eq!(read_error(openssl(&["pkey", "-outform", "DER"], &original).unwrap(), None), PemError::NotPem);
    assert_eq!(read_error([&original[..], &original[..]].concat(), None), PemError::SeveralKeys);
    assert_eq!(read_error(&original[..original.len() / 2], None), PemError::Damaged);
    let garbled = String::from_utf8(original).unwrap().replace("\n-----END", "*\n-----END");
    assert_eq!(read_error(garbled, None), PemError::Damaged);
    let form = PemError::UnsupportedFormat("OPENSSH PRIVATE KEY".to_owned());
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----";
    assert_eq!(read_error(openssh, None), form);
    assert!(form.to_string().contains("ssh-keygen -p -m PKCS8"));
    assert!(PemError::UnsupportedFormat("DSA".to_owned()).to_string().contains("openssl pkcs8 -topk8"));
    assert_eq!(read_error("", None), PemError::NotPem);
}

/// An EC key in PKCS#8, and the members of its SEC1 form, which in PKCS#8 has no curve.
fn ec_key() -> (SecretBytes, Vec<u8>) {
    let pkcs8 = KeyPair::generate(Algorithm::Es256, 0).unwrap().to_pkcs8_der().unwrap();
    let sec1 = PrivateKeyInfoRef::try_from(pkcs8.expose()).unwrap().private_key.as_bytes().to_vec();
    (pkcs8, sec1)
}

fn pem_of(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}

#[test]
fn the_layout_of_a_pem_file_is_free() {
    let (pkcs8, _) = ec_key();
    let text = pem_of("PRIVATE KEY", pkcs8.expose());
    let expected = kid(text.as_bytes(), None);
    let lines = |end: &str| text.trim().replace('\n', end);
    let (head, body) = text.split_once('\n').unwrap();
    let certificate = pem_of("CERTIFICATE", b"not read");
    for accepted in [
        lines("\n"),
        lines("\r\n"),
        lines("\r"),
        lines("\n\n"),
        lines(" \t\n  "),
        lines(""),
        format!("{head}\n{} {}", &body[..7], &body[7..]),
        format!("Bag Attributes: ü\n{certificate}{text}{certificate}\n"),
    ] {
        assert_eq!(kid(accepted.as_bytes(), None), expected, "{accepted}");
    }
    for (rejected, error) in [
        (text.replace("END PRIVATE", "END EC PRIVATE"), PemError::Damaged),
        (text.replace("-----END", "----END"), PemError::Damaged),
        (text.replace("-----BEGIN PRIVATE", "----BEGIN PRIVATE"), PemError::NotPem),
        (format!("{text}-----BEGIN CERTIFICATE-----\n"), PemError::Damaged),
        (text.replace("\n-----END", "A\n-----END"), PemError::Damaged),
        (pem_of("PRIVATE KEY", b""), PemError::Damaged),
        (pem_of("Private key", pkcs8.expose()), PemError::NoPrivateKey("Private key".to_owned())),
        (format!("{text}{text}"), PemError::SeveralKeys),
    ] {
        assert_eq!(read_error(&rejected, None), error, "{rejected}");
    }
}

#[test]
fn text_outside_of_a_block_may_have_any_encoding() {
    let (pkcs8, _) = ec_key();
    let text = pem_of("PRIVATE KEY", pkcs8.expose());
    let expected = kid(text.as_bytes(), None);
    let certificate = pem_of("CERTIFICATE", b"not read");
    let utf_16: Vec<u8> = "Schlüssel\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let every_byte: Vec<u8> = (0..=255).collect();
    for comment in
        [b"    friendlyName: Schl\xfcssel\n".as_slice(), b"\xef\xbb\xbf", b"\0", b"\xff\n", &utf_16, &every_byte]
    {
        for accepted in [
            [comment, text.as_bytes()],
            [text.as_bytes(), comment],
            [&[comment, certificate.as_bytes(), comment].concat(), text.as_bytes()],
            [&[text.as_bytes(), comment].concat(), certificate.as_bytes()],
        ] {
            assert_eq!(kid(&accepted.concat(), None), expected, "{comment:?}");
        }
    }
    // Inside of the block only base64 is accepted.
    let broken = text.replacen('\n', "\n\u{fc}", 1);
    assert_eq!(read_error(broken, None), PemError::Damaged);
    assert_eq!(read_error(b"-----BEGIN \xff-----", None), PemError::Damaged);
    assert_eq!(read_error(every_byte, None), PemError::NotPem);
}

#[test]
fn a_sec1_key_must_name_its_curve() {
    let (pkcs8, without_curve) = ec_key();
    let key = EcPrivateKey::try_from(without_curve.as_slice()).unwrap();
    let curve = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
    let named = EcPrivateKey { parameters: Some(EcParameters::NamedCurve(curve)), ..key }.to_der().unwrap();
    let label = "EC PRIVATE KEY";
    let expected = kid(pem_of("PRIVATE KEY", pkcs8.expose()).as_bytes(), None);
    assert_eq!(kid(pem_of(label, &named).as_bytes(), None), expected);
    let version_2 = [&named[..4], &[2], &named[5..]].concat();
    let longer = [&named[..], &[0]].concat();
    assert_eq!(read_error(pem_of(label, &without_curve), None), PemError::NoCurve);
    for damaged in [&version_2, &longer, &named[..named.len() - 1].to_vec(), &vec![0x30, 0]] {
        assert_eq!(read_error(pem_of(label, damaged), None), PemError::Damaged);
    }
}

#[test]
fn unsupported_keys_are_named_in_the_error() {
    let unsupported = |name: &str| KeyError::Unsupported(name.to_owned());
    let cases: [(&[&str], KeyError); 6] = [
        (&["genpkey", "-algorithm", "ed25519"], unsupported("an Ed25519 key")),
        (&["genpkey", "-algorithm", "rsa-pss"], unsupported("an RSA-PSS key")),
        (&["ecparam", "-genkey", "-noout", "-name", "secp384r1"], unsupported("a P-384 key")),
        (&["ecparam", "-genkey", "-noout", "-name", "secp256k1"], unsupported("a secp256k1 key")),
        (&["genrsa", "1024"], KeyError::RsaBits(1024)),
        (&["genrsa", "-3", "2048"], KeyError::Exponent),
    ];
    for (generate, expected) in cases {
        let Some(pem) = openssl(generate, b"") else { return };
        let opened = read(&pem, None).unwrap();
        assert_eq!(KeyPair::from_pkcs8_der(&opened.pkcs8).unwrap_err(), expected);
    }
}

#[test]
fn a_curve_in_explicit_parameters_is_named_in_the_error() {
    let generate = ["ecparam", "-genkey", "-noout", "-name", "prime256v1", "-param_enc", "explicit"];
    let Some(sec1) = openssl(&generate, b"") else { return };
    assert_eq!(read_error(&sec1, None), PemError::ExplicitCurve);
    let named = openssl(&["ec", "-param_enc", "named_curve"], &sec1).unwrap();
    assert!(!kid(&named, None).is_empty(), "the advised command converts the key");
    let pkcs8 = openssl(&["pkcs8", "-topk8", "-nocrypt"], &sec1).unwrap();
    let error = KeyPair::from_pkcs8_der(&read(&pkcs8, None).unwrap().pkcs8).unwrap_err();
    assert_eq!(error, KeyError::Unsupported("an elliptic-curve key without a named curve".to_owned()));
}

#[test]
fn an_rsa_key_with_three_primes_is_named_in_the_error() {
    let Some(key) = openssl(&["genrsa", "-primes", "3", "2048"], b"") else { return };
    let error = KeyPair::from_pkcs8_der(&read(&key, None).unwrap().pkcs8).unwrap_err();
    assert_eq!(error, KeyError::Unsupported("an RSA key with more than two primes".to_owned()));
}
