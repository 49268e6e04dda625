//! Ranges of IP addresses, used to list the trusted proxies.

use std::fmt;
use std::net::IpAddr;
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
