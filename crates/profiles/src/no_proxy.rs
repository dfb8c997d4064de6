//! `NO_PROXY`: which hosts are reached without the proxy that the environment names.

use std::net::IpAddr;

/// Whether `list` names the host, at this port. Entries stand between commas or blanks: `*` for all; a name for itself
/// and what is below it, with or without a dot before it; an address; a network such as `10.0.0.0/8`. A port may
/// follow.
pub(crate) fn names(list: &str, host: &str, port: u16) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let address = host.parse::<IpAddr>().ok();
    list.split([',', ' ', '\t']).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        if entry == "*" {
            return true;
        }
        if let Some(matched) = address.and_then(|address| network(&entry, address)) {
            return matched;
        }
        let (name, only_port) = split_port(&entry);
        if only_port.is_some_and(|only| only != port) {
            return false;
        }
        match address {
            Some(address) => name.trim_matches(['[', ']']).parse() == Ok(address),
            None => {
                let name = name.trim_start_matches("*.").trim_matches('.');
                let below = host.strip_suffix(name).is_some_and(|below| below.is_empty() || below.ends_with('.'));
                !name.is_empty() && below
            }
        }
    })
}

/// Whether the network that `entry` is has `address`; `None` when it is none.
fn network(entry: &str, address: IpAddr) -> Option<bool> {
    let (base, length) = entry.split_once('/')?;
    let (base, length): (IpAddr, u32) = (base.parse().ok()?, length.parse().ok()?);
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (u128::from(u32::from(address)) << 96, 32),
        IpAddr::V6(address) => (u128::from(address), 128),
    };
    let ((base_bits, size), (bits, other)) = (bits(base), bits(address));
    if length > size {
        return None;
    }
    let differing = (base_bits ^ bits).checked_shr(128 - length).unwrap_or(0);
    Some(size == other && differing == 0)
}

/// A name and the port behind it, if there is one. An IPv6 address without brackets has colons of its own.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((name, port)) if !name.contains(':') || name.ends_with(']') => match port.parse() {
            Ok(port) => (name, Some(port)),
            Err(_) => (entry, None),
        },
        _ => (entry, None),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_are_named_as_curl_and_others_do() {
        let list =
            "localhost, .internal.example,corp.example 10.0.0.0/8,fd00::/8,192.0.2.7,[2001:db8::1],gw.example:8443";
        for host in [
            "localhost",
            "internal.example",
            "a.b.internal.example",
            "CORP.example",
            "x.corp.example.",
            "10.1.2.3",
            "fd12::1",
            "192.0.2.7",
            "2001:db8::1",
        ] {
            assert!(names(list, host, 443), "{host}");
        }
        for host in
            ["example", "notcorp.example", "internal.example.org", "11.0.0.1", "192.0.2.70", "fe80::1", "gw.example"]
        {
            assert!(!names(list, host, 443), "{host}");
        }
        assert!(names(list, "gw.example", 8443) && names("*.example", "gw.example", 1) && names("*", "any", 1));
        assert!(!names("", "any", 1) && !names(" ,,", "any", 1) && !names(".", "any", 1));
        assert!(
            names("0.0.0.0/0", "1.2.3.4", 1) && !names("0.0.0.0/0", "::1", 1) && !names("10.0.0.0/33", "10.0.0.1", 1)
        );
    }

    proptest! {
        #[test]
        fn no_list_is_too_odd(list in ".{0,40}", host in "[a-z0-9.:-]{0,20}") {
            let _ = names(&list, &host, 443);
        }

        #[test]
        fn a_network_has_the_addresses_that_begin_like_it(base: u32, length in 0_u32..=32, other: u32) {
            let (base, address) = (std::net::Ipv4Addr::from(base), std::net::Ipv4Addr::from(other));
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            let expected = u32::from(base) & mask == other & mask;
            let list = format!("{base}/{length}");
            prop_assert_eq!(names(&list, &address.to_string(), 1), expected);
        }
    }
}
