//! The environment of the server: certificates of a private CA, and a proxy for requests to providers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::browser::Browser;
use crate::support::binary::TestFolder;

/// An issuer with a certificate of its own CA, which publishes only a discovery document.
struct PrivateIssuer {
    url: String,
    port: u16,
    ca: String,
}

impl PrivateIssuer {
    async fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&ca_key).unwrap();
        let issuer = Issuer::from_params(&params, &ca_key);
        let key = KeyPair::generate().unwrap();
        let leaf = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let url = format!("https://localhost:{port}");
        let body = json!({"issuer": url, "authorization_endpoint": format!("{url}/a"),
            "token_endpoint": format!("{url}/t"), "jwks_uri": format!("{url}/k")});
        let body = body.to_string();
        let response = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = TlsAcceptor::from(Arc::new(config.clone())).accept(stream).await else { continue };
                let mut head = [0; 4096];
                let _ = stream.read(&mut head).await;
                let _ = stream.write_all(response.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { url, port, ca: ca.pem() }
    }
}

/// A proxy that opens tunnels to this port. Returns its port and the number of tunnels.
async fn start_proxy(to: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tunnels = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&tunnels);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = [0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            assert!(head[..length].starts_with(b"CONNECT localhost:"));
            counted.fetch_add(1, Ordering::SeqCst);
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
            let _ = copy_bidirectional(&mut stream, &mut server).await;
        }
    });
    (port, tunnels)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_ca_and_a_proxy_are_used_for_providers() {
    let issuer = PrivateIssuer::start().await;
    let (port, tunnels) = start_proxy(issuer.port).await;
    let proxy = format!("HTTPS_PROXY=http://127.0.0.1:{port}");
    for (settings, environment, status, proxied) in [
        ("", String::new(), 400, 0),
        ("social.ca_file = 'ca.pem'", String::new(), 302, 0),
        ("", "SSL_CERT_FILE=ca.pem".to_owned(), 302, 0),
        ("social.ca_file = 'ca.pem'", proxy.clone(), 302, 1),
        ("social.ca_file = 'ca.pem'", format!("{proxy} NO_PROXY=localhost"), 302, 0),
    ] {
        let folder = TestFolder::new();
        folder.write("ca.pem", &issuer.ca);
        let provider = format!("social.oidc.corp = {{issuer = '{}', client_id = 'countersign'}}", issuer.url);
        folder.configure(&format!("{settings}\n{provider}"));
        let before = tunnels.load(Ordering::SeqCst);
        let server = folder.serve_with_shell(&format!("{environment} exec \"$0\" \"$@\"")).await;
        let response = Browser::new().get(&format!("{}/corp/", server.url)).await;
        assert_eq!(response.status, status, "{settings} {environment}: {response:#?} {}", server.log.lock().unwrap());
        let hint = "set social.ca_file to a PEM file with the certificate of that authority";
        assert_eq!(server.log.lock().unwrap().contains(hint), status == 400, "{settings} {environment}");
        assert_eq!(tunnels.load(Ordering::SeqCst) - before, proxied, "{settings} {environment}");
    }
}

#[test]
fn unusable_certificates_and_proxies_stop_the_start() {
    let folder = TestFolder::new();
    folder.configure("social.oidc.corp = {issuer = 'https://sso.example.com', client_id = 'countersign'}");
    for (name, value, expected) in [
        ("SSL_CERT_FILE", "missing.pem", "SSL_CERT_FILE"),
        ("COUNTERSIGN_SOCIAL__CA_FILE", "missing.pem", "missing.pem"),
        ("HTTPS_PROXY", "socks5://me:hunter2@proxy.example", "HTTPS_PROXY is not the URL of an HTTP proxy"),
    ] {
        let mut command = folder.command(&["check"]);
        command.env(name, value);
        let output = crate::support::binary::finish(command, "");
        output.is(1);
        assert!(output.stderr.contains(expected) && !output.stderr.contains("hunter2"), "{output:#?}");
    }
}
