//! Ranges of IP addresses, used to list the trusted proxies.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// One address (`10.0.0.7`) or a block of them (`10.0.0.0/8`, RFC 4632 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    base: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the network contains the address. An IPv4-mapped IPv6 address (`::ffff:10.0.0.7`) counts as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        width(address) == width(self.base) && network_bits(address, self.prefix) == bits(self.base)
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()),
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The bits of the address, with all bits after the prefix cleared.
fn network_bits(address: IpAddr, prefix: u8) -> u128 {
    let host = u32::from(width(address) - prefix);
    bits(address).checked_shr(host).and_then(|kept| kept.checked_shl(host)).unwrap_or(0)
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == width(self.base) { self.base.fmt(f) } else { write!(f, "{}/{}", self.base, self.prefix) }
    }
}

/// Why a text is not a network.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotANetwork {
    /// The text is not an address, or the prefix is longer than the address.
    #[error("not an IP address or network; write it as \"10.0.0.7\", \"10.0.0.0/8\" or \"fd00::/8\"")]
    Malformed,
    /// The address has bits set after its prefix, so it is unclear whether one address or a network is meant. Contains
    /// the network.
    #[error("the address has bits after its prefix; for the network write \"{0}\", for one address omit the prefix")]
    HostBits(Network),
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let base: IpAddr = address.parse().map_err(|_| NotANetwork::Malformed)?;
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().map_err(|_| NotANetwork::Malformed)?
            }
            Some(_) => return Err(NotANetwork::Malformed),
            None => width(base),
        };
        if prefix > width(base) {
            return Err(NotANetwork::Malformed);
        }
        let network = network_bits(base, prefix);
        if network == bits(base) {
            return Ok(Self { base, prefix });
        }
        let base = match base {
            IpAddr::V4(_) => IpAddr::V4(u32::try_from(network).map_err(|_| NotANetwork::Malformed)?.into()),
            IpAddr::V6(_) => IpAddr::V6(network.into()),
        };
        Err(NotANetwork::HostBits(Self { base, prefix }))
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_network_contains_only_its_addresses() {
        for (network, address, within) in [
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("10.0.0.7", "::ffff:10.0.0.7", true),
            ("10.0.0.0/8", "10.255.1.2", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("::/0", "203.0.113.9", false),
            ("::/0", "2001:db8::1", true),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::1", "::1", true),
        ] {
            let is_contained = network.parse::<Network>().unwrap().contains(address.parse().unwrap());
            assert_eq!(is_contained, within, "{address} in {network}");
        }
    }

    #[test]
    fn a_network_is_displayed_as_written() {
        for text in ["10.0.0.7", "10.0.0.0/8", "fd00::/8", "::1", "0.0.0.0/0"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_invalid_network_is_rejected() {
        for text in
            ["", "*", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/+8", "10.0.0.0/8/8", "10.0.0.1:80", "::/129"]
        {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork::Malformed), "{text}");
        }
        let host_bits = "10.1.2.3/8".parse::<Network>().unwrap_err();
        assert!(host_bits.to_string().contains("write \"10.0.0.0/8\""), "{host_bits}");
    }
}
