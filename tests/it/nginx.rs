//! `docs/nginx.conf` in a real nginx in front of a server.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::support::skip::skip;
use crate::support::{TestServer, wait_until};

const TEMPLATE: &str = include_str!("../../docs/nginx.conf");
const HOST: &str = "id.example.org";

/// A running nginx. Dropping the value ends it.
struct Nginx(Child);

impl Drop for Nginx {
    fn drop(&mut self) {
        // On SIGTERM the master process ends its workers.
        let _ = Command::new("kill").arg(self.0.id().to_string()).status();
        let _ = self.0.wait();
    }
}

/// The version of nginx as numbers, such as 1.22.1. `None` if it is not installed.
fn version() -> Option<Vec<u32>> {
    let output = Command::new("nginx").arg("-v").output().ok()?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    Some(text.split_once("nginx/")?.1.split_whitespace().next()?.split('.').filter_map(|n| n.parse().ok()).collect())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The template with the addresses and files of this test.
fn configuration(folder: &Path, version: &[u32], upstream: &str, ports: [u16; 2]) -> String {
    let mut text = TEMPLATE.to_owned();
    let mut replace = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    };
    replace("server 127.0.0.1:8080;", &format!("server {upstream};"));
    replace("listen [::]:80;", "");
    replace("listen [::]:443 ssl;", "");
    replace("listen 80;", &format!("listen 127.0.0.1:{};", ports[0]));
    replace("listen 443 ssl;", &format!("listen 127.0.0.1:{} ssl;", ports[1]));
    replace("/etc/ssl/countersign/", &format!("{}/", folder.display()));
    if version < &[1, 25, 1] {
        replace("http2 on;", "");
        replace(" ssl;", " ssl http2;");
    }
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
    let temporary = temporary.map(|name| format!("{name}_temp_path {}/{name};", folder.display())).join("\n");
    format!(
        "daemon off;\npid {0}/pid;\nerror_log {0}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{temporary}\n{text}}}\n",
        folder.display()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_response_through_nginx_has_one_hsts_header() {
    let Some(version) = version() else {
        return skip("nginx is not installed; run scripts/test-tools");
    };
    let server = TestServer::with(&format!("server.public_url = 'https://{HOST}'")).await;
    let folder = tempfile::tempdir().unwrap();
    let certified = rcgen::generate_simple_self_signed([HOST.to_owned()]).unwrap();
    std::fs::write(folder.path().join("fullchain.pem"), certified.cert.pem()).unwrap();
    std::fs::write(folder.path().join("privkey.pem"), certified.signing_key.serialize_pem()).unwrap();
    let ports = [free_port(), free_port()];
    let upstream = server.url.trim_start_matches("http://");
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, configuration(folder.path(), &version, upstream, ports)).unwrap();
    let mut command = Command::new("nginx");
    command.arg("-c").arg(&file).arg("-p").arg(folder.path()).stderr(Stdio::null());
    let nginx = Nginx(command.spawn().unwrap());

    let client = reqwest::Client::builder()
        .danger_accept_invalid_certs(true)
        .no_proxy()
        .resolve(HOST, ([127, 0, 0, 1], ports[1]).into())
        .build()
        .unwrap();
    let url = |path: &str| format!("https://{HOST}:{}{path}", ports[1]);
    wait_until("nginx listens", async || client.get(url("/ready")).send().await.is_ok()).await;
    for path in ["/.well-known/jwks.json", "/liveliness", "/restore?restoring=x", "/admin/login", "/nowhere"] {
        let response = client.get(url(path)).send().await.unwrap();
        let found: Vec<_> = response.headers().get_all("strict-transport-security").iter().collect();
        assert_eq!(found.len(), 1, "{path}: {found:?}");
        assert!(!response.status().is_server_error(), "{path}: nginx did not reach the server: {response:?}");
    }
    let too_large = client.post(url("/auth")).body("x".repeat(100_000)).send().await.unwrap();
    assert_eq!(too_large.status(), 413);
    assert_eq!(too_large.headers().get_all("strict-transport-security").iter().count(), 1);
    drop(nginx);
}

#[test]
fn the_configuration_uses_no_deprecated_http2_parameter() {
    let lines = || TEMPLATE.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    assert!(lines().any(|line| line == "http2 on;"));
    assert!(lines().filter(|line| line.starts_with("listen")).all(|line| !line.contains("http2")));
    let locations = lines().filter(|line| line.starts_with("location")).count();
    let hidden = lines().filter(|line| *line == "proxy_hide_header Strict-Transport-Security;").count();
    assert_eq!((locations, hidden), (2, 2), "each location hides the header of the server");
}
