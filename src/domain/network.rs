//! Ranges of IP addresses: the trusted proxies in the settings, and the networks of callers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;

/// One address (`10.0.0.7`) or a block of them (`10.0.0.0/8`, RFC 4632 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpNet);

impl Network {
    /// Whether the network contains the address. An IPv4-mapped IPv6 address (`::ffff:10.0.0.7`) counts as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_one_address = self.0.prefix_len() == self.0.max_prefix_len();
        if is_one_address { self.0.addr().fmt(f) } else { self.0.fmt(f) }
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

    /// The parser of `ipnet` is not used, because it is less strict than that of the standard library.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.parse().map_err(|_| NotANetwork::Malformed)?;
        let written = match prefix {
            None => IpNet::from(address),
            Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => {
                let prefix = digits.parse().map_err(|_| NotANetwork::Malformed)?;
                IpNet::new(address, prefix).map_err(|_| NotANetwork::Malformed)?
            }
            Some(_) => return Err(NotANetwork::Malformed),
        };
        let network = written.trunc();
        if network == written { Ok(Self(network)) } else { Err(NotANetwork::HostBits(Self(network))) }
    }
}

/// The network that a caller's address belongs to: an IPv4 /24 or an IPv6 /64. A device usually keeps its network while
/// it retries a request. An IPv4-mapped IPv6 address counts as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CallerNetwork {
    /// The first 24 bits of an IPv4 address.
    V4([u8; 3]),
    /// The first 64 bits of an IPv6 address.
    V6([u8; 8]),
}

impl CallerNetwork {
    /// The network of an address.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let [a, b, c, _] = v4.octets();
                Self::V4([a, b, c])
            }
            IpAddr::V6(v6) => Self::V6((v6.to_bits() >> 64).try_into().map_or([0; 8], u64::to_be_bytes)),
        }
    }

    /// The stored form: 3 or 8 bytes.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::V4(bytes) => bytes,
            Self::V6(bytes) => bytes,
        }
    }

    /// Reads the stored form. `None` for another length.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let v4 = bytes.try_into().map(Self::V4).ok();
        v4.or_else(|| bytes.try_into().map(Self::V6).ok())
    }
}

impl fmt::Display for CallerNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::V4([a, b, c]) => write!(f, "{}/24", Ipv4Addr::new(a, b, c, 0)),
            Self::V6(bytes) => write!(f, "{}/64", Ipv6Addr::from_bits(u128::from(u64::from_be_bytes(bytes)) << 64)),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn callers_of_one_network_are_recognised_in_both_families() {
        for (address, other, is_same) in [
            ("192.0.2.1", "192.0.2.255", true),
            ("192.0.2.1", "192.0.3.1", false),
            ("192.0.2.1", "::ffff:192.0.2.77", true),
            ("::ffff:192.0.2.1", "::ffff:192.0.3.1", false),
            ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("2001:db8::1", "192.0.2.1", false),
            ("::1", "127.0.0.1", false),
        ] {
            let [address, other] = [address, other].map(|text| CallerNetwork::of(text.parse().unwrap()));
            assert_eq!(address == other, is_same, "{address} {other}");
            assert_eq!(CallerNetwork::from_bytes(address.as_bytes()), Some(address));
        }
        assert_eq!(CallerNetwork::of("192.0.2.77".parse().unwrap()).to_string(), "192.0.2.0/24");
        assert_eq!(CallerNetwork::of("2001:db8:1:2::9".parse().unwrap()).to_string(), "2001:db8:1:2::/64");
        for length in [0, 1, 4, 7, 9, 16] {
            assert_eq!(CallerNetwork::from_bytes(&vec![0; length]), None);
        }
    }

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
            ("10.0.0.0/31", "10.0.0.1", true),
            ("10.0.0.0/31", "10.0.0.2", false),
            ("0.0.0.0/1", "127.255.255.255", true),
            ("0.0.0.0/1", "128.0.0.0", false),
            ("fd00::/127", "fd00::1", true),
            ("fd00::/127", "fd00::2", false),
            // An IPv4-mapped address counts as IPv4, which no IPv6 network contains.
            ("::ffff:10.0.0.0/104", "::ffff:10.0.0.7", false),
            ("::ffff:10.0.0.0/104", "10.0.0.7", false),
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
        for (text, displayed) in
            [("10.0.0.7/32", "10.0.0.7"), ("10.0.0.0/08", "10.0.0.0/8"), ("FD00:0::/8", "fd00::/8")]
        {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), displayed);
        }
    }

    #[test]
    fn an_invalid_network_is_rejected() {
        for text in [
            "",
            "*",
            "localhost",
            "/8",
            "10.0.0.0/33",
            "10.0.0.0/256",
            "10.0.0.0/",
            "10.0.0.0/+8",
            "10.0.0.0/-8",
            "10.0.0.0/8/8",
            "10.0.0.0/255.0.0.0",
            "10.0.0/8",
            "10/8",
            "010.0.0.0/8",
            "10.0.0.1:80",
            " 10.0.0.7",
            "10.0.0.7 ",
            "10.0.0.0 /8",
            "10.0.0.0/ 8",
            "10.0.0.0/8\n",
            "::/129",
            "[::1]",
            "fe80::1%eth0",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork::Malformed), "{text}");
        }
        for (text, network) in [
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("10.0.0.1/31", "10.0.0.0/31"),
            ("10.0.0.7/0", "0.0.0.0/0"),
            ("fd00::1/127", "fd00::/127"),
            ("::ffff:10.0.0.7/104", "::ffff:10.0.0.0/104"),
        ] {
            assert_eq!(text.parse::<Network>(), Err(NotANetwork::HostBits(network.parse().unwrap())), "{text}");
        }
        let host_bits = "10.1.2.3/8".parse::<Network>().unwrap_err();
        assert!(host_bits.to_string().contains("write \"10.0.0.0/8\""), "{host_bits}");
    }
}
