//! Where a request comes from when a proxy passed it on: the proxy says so in `X-Forwarded-For`, and anybody else can
//! say so too. Only what trusted proxies say is taken, from the right, where each has added whom it heard.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName};
use thiserror::Error;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An address, or a range of them: `10.1.2.3`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// What is no [`Network`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("expected an IP address, or a range such as 10.0.0.0/8")]
pub struct BadNetwork;

/// The proxies that are believed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(Vec<Network>);

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
        let address: IpAddr = address.trim().parse().map_err(|_| BadNetwork)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(longest), |prefix| prefix.trim().parse()).map_err(|_| BadNetwork)?;
        if prefix <= longest { Ok(Self { address, prefix }) } else { Err(BadNetwork) }
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        let differ = |bits: u32, own: u128, other: u128| {
            let free = bits - u32::from(self.prefix);
            own.checked_shr(free).unwrap_or(0) != other.checked_shr(free).unwrap_or(0)
        };
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => !differ(32, u32::from(own).into(), u32::from(other).into()),
            (IpAddr::V6(own), IpAddr::V6(other)) => !differ(128, own.into(), other.into()),
            _ => false,
        }
    }
}

impl Proxies {
    /// Those that are named.
    pub(crate) fn new(trusted: Vec<Network>) -> Self {
        Self(trusted)
    }

    /// From where a request comes that `peer` sent. Port 0 where a proxy tells it: it knows no port that matters.
    pub(crate) fn origin(&self, peer: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if !self.trusts(peer.ip()) {
            return peer;
        }
        let lines: Vec<_> = headers.get_all(FORWARDED_FOR).iter().collect();
        let hops = lines.iter().rev().flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        let mut origin = peer;
        for hop in hops {
            // Before something unreadable, nothing counts either: nobody trusted has written it.
            let Some(address) = address(hop.trim()) else { break };
            origin = SocketAddr::new(address, 0);
            if !self.trusts(address) {
                break;
            }
        }
        origin
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

/// An address as proxies write it: alone, or with a port.
fn address(text: &str) -> Option<IpAddr> {
    let alone = text.trim_start_matches('[').trim_end_matches(']');
    alone.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_hold_what_begins_like_them() {
        for (network, address, is_in) in [
            ("10.0.0.0/8", "10.255.0.1", true),
            ("10.0.0.0/8", "11.0.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("0.0.0.0/0", "203.0.113.9", true),
            ("0.0.0.0/0", "::1", false),
            ("10.0.0.0/8", "::ffff:10.0.0.1", true),
            ("fd00::/8", "fd12::1", true),
            ("fd00::/8", "fe80::1", false),
            ("::/0", "2001:db8::1", true),
        ] {
            let network: Network = network.parse().unwrap();
            assert_eq!(network.contains(address.parse().unwrap()), is_in, "{network:?} {address}");
        }
        for bad in ["", "proxy", "10.0.0.0/33", "10.0.0.0/x", "::/129", "10.0.0.0/-1"] {
            assert_eq!(bad.parse::<Network>(), Err(BadNetwork), "{bad}");
        }
    }

    #[test]
    fn only_trusted_proxies_are_believed_and_only_about_whom_they_heard() {
        let proxies = Proxies::new(vec!["10.0.0.0/8".parse().unwrap(), "::1".parse().unwrap()]);
        let origin = |peer: &str, lines: &[&str]| {
            let headers = lines.iter().map(|line| (FORWARDED_FOR, line.parse().unwrap())).collect();
            proxies.origin(peer.parse().unwrap(), &headers).to_string()
        };
        for (peer, lines, expected) in [
            ("203.0.113.9:7", &["198.51.100.1"][..], "203.0.113.9:7"),
            ("10.0.0.1:7", &[], "10.0.0.1:7"),
            ("10.0.0.1:7", &["198.51.100.1"], "198.51.100.1:0"),
            ("[::1]:7", &["198.51.100.1:4242"], "198.51.100.1:0"),
            // What the client wrote itself stands to the left.
            ("10.0.0.1:7", &["127.0.0.1, 198.51.100.1"], "198.51.100.1:0"),
            ("10.0.0.1:7", &["127.0.0.1", "198.51.100.1, 10.0.0.2"], "198.51.100.1:0"),
            ("10.0.0.1:7", &["nonsense, 10.0.0.2"], "10.0.0.2:0"),
            ("10.0.0.1:7", &["unknown"], "10.0.0.1:7"),
            ("10.0.0.1:7", &["[2001:db8::1]"], "[2001:db8::1]:0"),
        ] {
            assert_eq!(origin(peer, lines), expected, "{peer} {lines:?}");
        }
        let nobody = Proxies::default();
        let peer = "127.0.0.1:7".parse().unwrap();
        let headers = [(FORWARDED_FOR, "198.51.100.1".parse().unwrap())].into_iter().collect();
        assert_eq!(nobody.origin(peer, &headers), peer);
    }
}
