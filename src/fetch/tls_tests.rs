//! Tests of requests to a server with a certificate of a private CA, directly and through a proxy.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use http::Request;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::client::{FetchError, FetchOptions, HttpClient};
use super::endpoint::Reach;
use super::testing::http_response;
use crate::domain::secret::SecretText;

/// A server with a certificate of its own CA for `localhost` and `127.0.0.1`. It responds to each request with the same
/// document.
struct TlsServer {
    folder: TempDir,
    port: u16,
}

impl TlsServer {
    async fn start() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let ca_key = KeyPair::generate().unwrap();
        let ca = params.self_signed(&ca_key).unwrap();
        let issuer = Issuer::from_params(&params, &ca_key);
        let key = KeyPair::generate().unwrap();
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), ca.pem()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![leaf.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = TlsAcceptor::from(Arc::new(config.clone())).accept(stream).await else { continue };
                read_head(&mut stream).await;
                let _ = stream.write_all(&http_response(200, "", b"{}")).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { folder, port }
    }

    fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }
}

/// Reads a request head.
async fn read_head(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap()
}

/// A proxy that opens tunnels to this host, whatever their authority, and records the request heads.
async fn start_proxy(status: u16, to: u16) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heads = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&heads);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = read_head(&mut stream).await;
            recorded.lock().unwrap().push(head);
            stream.write_all(format!("HTTP/1.1 {status} Reason\r\n\r\n").as_bytes()).await.unwrap();
            if status == 200 {
                let mut server = TcpStream::connect(("127.0.0.1", to)).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut server).await;
            }
        }
    });
    (port, heads)
}

async fn fetch(options: &FetchOptions, url: &str, reach: Reach) -> Result<Vec<u8>, FetchError> {
    let request = Request::get(url).body(Vec::new()).unwrap();
    let response = HttpClient::new(options)?.send(request, reach).await?;
    Ok(response.into_body().to_vec())
}

fn proxied(ca_file: Option<PathBuf>, port: u16, no_proxy: &str) -> FetchOptions {
    FetchOptions {
        ca_file,
        https_proxy: Some(SecretText::new(format!("http://me:hunter2@127.0.0.1:{port}"))),
        no_proxy: no_proxy.to_owned(),
        ..FetchOptions::default()
    }
}

#[tokio::test]
async fn certificates_of_a_private_ca_are_trusted_if_it_is_named() {
    let server = TlsServer::start().await;
    let named = FetchOptions { ca_file: Some(server.ca_file()), ..FetchOptions::default() };
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("https://{host}:{}/me", server.port);
        assert_eq!(fetch(&named, &url, Reach::Any).await, Ok(b"{}".to_vec()), "{host}");
        let error = fetch(&FetchOptions::default(), &url, Reach::Any).await.unwrap_err().to_string();
        assert!(error.contains("TLS handshake: the certificate of the server "), "{error}");
    }
}

#[tokio::test]
async fn an_unusable_file_of_certificates_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    for (content, expected) in [(None, "No such file"), (Some("hello"), "not PEM"), (Some(damaged), "is damaged")] {
        if let Some(content) = content {
            std::fs::write(&path, content).unwrap();
        }
        let options = FetchOptions { ca_file: Some(path.clone()), ..FetchOptions::default() };
        let error = HttpClient::new(&options).unwrap_err().to_string();
        assert!(error.contains(expected) && error.contains("social.ca_file") && error.contains("ca.pem"), "{error}");
    }
}

#[tokio::test]
async fn a_request_goes_through_the_proxy_unless_its_host_is_excluded() {
    let server = TlsServer::start().await;
    let (port, heads) = start_proxy(200, server.port).await;
    // Only the proxy can resolve a host that does not exist.
    let error = fetch(&proxied(Some(server.ca_file()), port, ""), "https://op.invalid:8443/me", Reach::Public).await;
    assert!(error.unwrap_err().to_string().contains("TLS handshake: the certificate of the server "));
    let url = format!("https://localhost:{}/me", server.port);
    assert_eq!(fetch(&proxied(Some(server.ca_file()), port, ""), &url, Reach::Any).await, Ok(b"{}".to_vec()));
    assert_eq!(
        fetch(&proxied(Some(server.ca_file()), port, "a.example,localhost"), &url, Reach::Any).await,
        Ok(b"{}".to_vec())
    );
    let heads = heads.lock().unwrap().clone();
    let authorities = ["op.invalid:8443".to_owned(), format!("localhost:{}", server.port)];
    assert_eq!(heads.len(), authorities.len(), "{heads:?}");
    for (head, authority) in heads.iter().zip(authorities) {
        let head = head.to_lowercase();
        assert!(head.starts_with(&format!("connect {authority} http/1.1\r\n")), "{head}");
        assert!(head.contains(&format!("\r\nhost: {authority}\r\n")), "{head}");
        assert!(head.contains("\r\nproxy-authorization: basic bwu6ahvudgvymg==\r\n"), "{head}");
        assert!(!head.contains("/me"), "{head}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_proxy_is_reported_without_its_password() {
    for status in [403, 407, 502] {
        let (port, _) = start_proxy(status, 0).await;
        let error = fetch(&proxied(None, port, ""), "https://op.example/me", Reach::Public).await.unwrap_err();
        let FetchError::Transient(message) = &error else { panic!("{error:?}") };
        assert!(message.contains(&format!("HTTPS_PROXY: it responded with {status}")), "{message}");
        assert!(!message.contains("hunter2"), "{message}");
    }
}

#[tokio::test]
async fn a_private_address_that_must_be_public_is_not_requested_through_the_proxy() {
    let (port, heads) = start_proxy(200, 0).await;
    for url in ["https://127.0.0.1/me", "https://localhost/me", "https://10.0.0.1/me", "https://[::1]/me"] {
        let error = fetch(&proxied(None, port, ""), url, Reach::Public).await.unwrap_err();
        assert!(matches!(&error, FetchError::Permanent(message) if message.contains("private network")), "{error}");
    }
    assert!(heads.lock().unwrap().is_empty());
}
