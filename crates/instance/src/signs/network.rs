//! Routes that come and go, as the kernel tells everybody who asks (rtnetlink): what a change of network, a cable or a
//! VPN comes down to. Containers that come and go leave them alone.

use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::UnixDatagram as StdDatagram;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, socket};
use tokio::net::UnixDatagram;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tracing::debug;

use super::Sign;

/// The groups of IPv4 and IPv6 routes: RTMGRP_IPV4_ROUTE and RTMGRP_IPV6_ROUTE of linux/rtnetlink.h.
const GROUPS: u32 = 0x40 | 0x400;

/// News of one change come in a row; so much quiet ends it.
const QUIET: Duration = Duration::from_millis(200);

/// More news than these are not waited for.
const ROW: usize = 20;

/// The longest that the kernel says at once is a page or two; what is cut off is skipped.
const BUFFER: usize = 16 * 1024;

/// Tells of changes, until nobody listens. Where they cannot be had, as in a sandbox, there are none.
pub(super) async fn listen(teller: mpsc::Sender<Sign>) {
    let heard = tokio::select! {
        () = teller.closed() => return,
        heard = hear(&teller) => heard,
    };
    if let Err(error) = heard {
        debug!(%error, "changes of the network cannot be heard of");
    }
}

async fn hear(teller: &mpsc::Sender<Sign>) -> io::Result<()> {
    let news = subscribe()?;
    loop {
        next_change(&news).await?;
        for _ in 0..ROW {
            match timeout(QUIET, next_change(&news)).await {
                Ok(another) => another?,
                Err(_) => break,
            }
        }
        let _ = teller.try_send(Sign::Routes);
    }
}

fn subscribe() -> io::Result<UnixDatagram> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let news = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    bind(news.as_raw_fd(), &NetlinkAddr::new(0, GROUPS))?;
    // Of another family than it says; what is received from it is asked of the kernel in the same way.
    UnixDatagram::from_std(StdDatagram::from(news))
}

/// Waits for a change that may matter to a link.
async fn next_change(news: &UnixDatagram) -> io::Result<()> {
    let mut buffer = [0; BUFFER];
    loop {
        match news.recv(&mut buffer).await {
            Ok(count) if matters(buffer.get(..count).unwrap_or_default()) => return Ok(()),
            Ok(_) => {}
            // More was to tell than there was room for.
            Err(error) if error.raw_os_error() == Some(Errno::ENOBUFS as i32) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Whether among these messages (struct nlmsghdr, struct rtmsg and its attributes) one is about a way to elsewhere.
fn matters(mut messages: &[u8]) -> bool {
    const NEW_ROUTE: u16 = 24;
    const DELETED_ROUTE: u16 = 25;
    while let Some(length) = messages.get(..4).and_then(|bytes| bytes.try_into().ok()).map(u32::from_ne_bytes) {
        let length = length as usize;
        let Some(message) = messages.get(..length).filter(|message| message.len() >= 16) else { return false };
        let kind = u16::from_ne_bytes([message[4], message[5]]);
        if matches!(kind, NEW_ROUTE | DELETED_ROUTE) && leads_elsewhere(&message[16..]) {
            return true;
        }
        messages = messages.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    false
}

/// Not to this machine itself, not to many at once, not to the neighbours that every IPv6 interface has.
fn leads_elsewhere(route: &[u8]) -> bool {
    const UNICAST: u8 = 1;
    const DESTINATION: u16 = 1;
    let (Some(kind), Some(mut attributes)) = (route.get(7), route.get(12..)) else { return false };
    if *kind != UNICAST {
        return false;
    }
    while let Some(&[a, b, c, d]) = attributes.first_chunk::<4>() {
        let length = usize::from(u16::from_ne_bytes([a, b]));
        let Some(value) = attributes.get(4..length) else { break };
        if u16::from_ne_bytes([c, d]) == DESTINATION && value.len() == 16 && value.starts_with(&[0xfe, 0x80]) {
            return false;
        }
        attributes = attributes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message about a route to this address.
    fn message(kind: u16, route: u8, destination: &[u8]) -> Vec<u8> {
        let mut body = vec![0, 0, 0, 0, 0, 0, 0, route, 0, 0, 0, 0];
        if !destination.is_empty() {
            body.extend(u16::try_from(4 + destination.len()).unwrap().to_ne_bytes());
            body.extend(1_u16.to_ne_bytes());
            body.extend(destination);
        }
        let mut message = u32::try_from(16 + body.len()).unwrap().to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend([0; 10]);
        message.extend(body);
        message
    }

    #[test]
    fn routes_to_elsewhere_matter_and_nothing_else_does() {
        let link_local = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert!(matters(&message(24, 1, &[])), "a default route");
        assert!(matters(&message(25, 1, &[10, 0, 0, 0])), "one that went");
        assert!(!matters(&message(24, 2, &[10, 0, 0, 1])), "to this machine");
        assert!(!matters(&message(24, 1, &link_local)), "of every interface");
        assert!(!matters(&message(20, 1, &[])), "no route at all");
        let several = [message(20, 1, &[]), message(24, 2, &[]), message(24, 1, &[])].concat();
        assert!(matters(&several), "the last of several");
    }

    #[test]
    fn what_makes_no_sense_does_not_matter() {
        let whole = message(24, 1, &[10, 0, 0, 0]);
        for cut in 0..whole.len() {
            assert!(!matters(&whole[..cut]));
        }
        assert!(!matters(&[0; 64]));
        assert!(!matters(&[255; 64]));
    }
}
