//! Opens a TCP connection to a host that may have several addresses, some of which may not work (Happy Eyeballs,
//! RFC 8305).
//!
//! This module resolves the host once, checks these addresses, and connects only to them. It knows no protocol above TCP
//! and has no timeout of its own: the caller drops the future.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::endpoint::Reach;
use super::public_address::is_public;

/// How long an attempt to connect may take before the next address is tried as well (RFC 8305 §8).
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// A connection to a server or through a proxy, plain or encrypted.
pub(super) trait ByteStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> ByteStream for S {}

/// A host has no public address, but only public ones are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the host has the address {0}, which is not public, and a provider's document must not name such a host")]
pub struct NotPublic(IpAddr);

impl NotPublic {
    /// Whether this is the reason for an error of [`connect`].
    pub(super) fn is_cause_of(error: &io::Error) -> bool {
        error.get_ref().is_some_and(<dyn Error + Send + Sync>::is::<Self>)
    }
}

/// Connects to a host: a name, or an address without brackets. The first connection that is established wins, and the
/// other attempts end.
///
/// # Errors
/// The host has no address, or no address accepts a connection; this is the error of the last attempt. If `reach` allows
/// none of its addresses, the error contains [`NotPublic`].
pub async fn connect(host: &str, port: u16, reach: Reach) -> io::Result<TcpStream> {
    let addresses = allowed(lookup_host((host, port)).await?.collect(), reach)?;
    let stream = first_success(alternate_families(addresses), TcpStream::connect).await?;
    // Requests are written as a whole, so Nagle's algorithm would only delay them. An error is ignored, because the
    // connection also works without this option.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

/// Returns the addresses that `reach` allows.
fn allowed(mut addresses: Vec<SocketAddr>, reach: Reach) -> io::Result<Vec<SocketAddr>> {
    let first = addresses.first().copied();
    addresses.retain(|address| reach == Reach::Any || is_public(address.ip()));
    match first {
        Some(address) if addresses.is_empty() => Err(io::Error::other(NotPublic(address.ip()))),
        _ => Ok(addresses),
    }
}

/// Orders the addresses so that the families alternate (RFC 8305 §4). The operating system has already sorted them by
/// preference; the family of the first address stays first.
fn alternate_families(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_first_family = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (preferred, other): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == is_first_family);
    let mut other = other.into_iter();
    let mut ordered: Vec<_> =
        preferred.into_iter().flat_map(|address| [Some(address), other.next()]).flatten().collect();
    ordered.extend(other);
    ordered
}

/// Runs `attempt` for the addresses in turn, and returns the first success. The next attempt begins when the last one
/// has failed, or has taken [`ATTEMPT_DELAY`].
async fn first_success<T, F>(addresses: Vec<SocketAddr>, attempt: impl Fn(SocketAddr) -> F) -> io::Result<T>
where
    T: Send + 'static,
    F: Future<Output = io::Result<T>> + Send + 'static,
{
    let mut addresses = addresses.into_iter();
    let mut attempts = JoinSet::new();
    let mut failure = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    loop {
        if let Some(address) = addresses.next() {
            attempts.spawn(attempt(address));
        }
        tokio::select! {
            Some(ended) = attempts.join_next() => match ended {
                Ok(Ok(connected)) => return Ok(connected),
                Ok(Err(error)) => failure = error,
                Err(panic) => failure = io::Error::other(panic),
            },
            () = sleep(ATTEMPT_DELAY), if addresses.len() > 0 => {}
            else => return Err(failure),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::future::pending;
    use std::sync::{Arc, Mutex};

    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn address_families_alternate() {
        let four = ["192.0.2.1:1", "192.0.2.2:1", "192.0.2.3:1"];
        let six = ["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1"];
        for (given, expected) in [
            (vec![], vec![]),
            (vec![four[0]], vec![four[0]]),
            ([six, four].concat(), vec![six[0], four[0], six[1], four[1], six[2], four[2]]),
            (vec![four[0], four[1], six[0]], vec![four[0], six[0], four[1]]),
            (vec![six[0], four[0], four[1], four[2]], vec![six[0], four[0], four[1], four[2]]),
            (four.to_vec(), four.to_vec()),
            (vec![four[0], six[0], four[1], six[1]], vec![four[0], six[0], four[1], six[1]]),
        ] {
            assert_eq!(alternate_families(addresses(&given)), addresses(&expected), "{given:?}");
        }
    }

    #[test]
    fn addresses_that_are_not_public_are_left_out() {
        let (public, private) = ("1.1.1.1:443", "127.0.0.1:443");
        for (given, reach, expected) in [
            (&[private, public][..], Reach::Any, Ok(&[private, public][..])),
            (&[private, public], Reach::Public, Ok(&[public])),
            (&[], Reach::Public, Ok(&[])),
            (&[private], Reach::Public, Err("the host has the address 127.0.0.1, which is not public")),
            (&["[::ffff:10.0.0.1]:443"], Reach::Public, Err("the host has the address ::ffff:10.0.0.1")),
        ] {
            match (allowed(addresses(given), reach), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, addresses(expected), "{given:?}"),
                (Err(error), Err(expected)) => assert!(error.to_string().starts_with(expected), "{error}"),
                (found, _) => panic!("{given:?}: {found:?}"),
            }
        }
    }

    #[tokio::test]
    async fn a_name_is_checked_after_it_was_resolved() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        assert!(connect("localhost", port, Reach::Any).await.is_ok());
        let error = connect("localhost", port, Reach::Public).await.unwrap_err();
        assert!(NotPublic::is_cause_of(&error), "{error}");
    }

    /// The behaviour of a simulated address, by its port.
    async fn simulated(address: SocketAddr) -> io::Result<u16> {
        match address.port() {
            0..100 => pending().await,
            100..200 => Err(io::Error::other(format!("refused by {}", address.port()))),
            port => Ok(port),
        }
    }

    async fn first_of(ports: &[u16]) -> (io::Result<u16>, Vec<u16>) {
        let begun = Arc::new(Mutex::new(Vec::new()));
        let attempt = |address: SocketAddr| {
            begun.lock().unwrap().push(address.port());
            simulated(address)
        };
        let all = ports.iter().map(|port| SocketAddr::from(([192, 0, 2, 1], *port))).collect();
        let result = timeout(LONG, first_success(all, attempt)).await.unwrap();
        let begun = begun.lock().unwrap().clone();
        (result, begun)
    }

    #[tokio::test]
    async fn the_first_working_address_wins() {
        for (ports, winner, tried) in [
            (&[200, 201][..], 200, &[200][..]),
            (&[1, 200], 200, &[1, 200]),
            (&[100, 101, 200, 201], 200, &[100, 101, 200]),
            (&[1, 100, 2, 200, 201], 200, &[1, 100, 2, 200]),
        ] {
            let (result, begun) = first_of(ports).await;
            assert_eq!((result.unwrap(), begun.as_slice()), (winner, tried), "{ports:?}");
        }
    }

    #[tokio::test]
    async fn the_last_error_is_returned_if_no_address_works() {
        let (result, _) = first_of(&[100, 101]).await;
        assert_eq!(result.unwrap_err().to_string(), "refused by 101");
        let (result, _) = first_of(&[]).await;
        assert_eq!(result.unwrap_err().to_string(), "the host has no address");
    }

    /// Binds a socket whose connection queue is full, so that it drops further attempts to connect, as a broken route
    /// does. The returned streams fill the queue.
    async fn silent_socket() -> (SocketAddr, TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut filling = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(100), TcpStream::connect(address)).await {
            filling.push(stream.unwrap());
        }
        (address, listener, filling)
    }

    #[tokio::test]
    async fn an_address_that_drops_packets_does_not_block_the_next_one() {
        let (silent, _queue, _filling) = silent_socket().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let working = listener.local_addr().unwrap();
        let stream = timeout(LONG, first_success(vec![silent, working], TcpStream::connect)).await.unwrap().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), working);
    }
}
