//! How long a certificate is good, read from its DER (RFC 5280 §4.1). Its signature and names are the TLS library's
//! business; this is only for telling its end in time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Until when the certificate is good; `None` when that cannot be read.
pub fn good_until(der: &[u8]) -> Option<SystemTime> {
    let (certificate, _) = expect(der, SEQUENCE)?;
    let (mut fields, _) = expect(certificate, SEQUENCE)?;
    if fields.first() == Some(&VERSION) {
        fields = element(fields)?.2;
    }
    // Serial number, algorithm and issuer come before.
    for _ in 0..3 {
        fields = element(fields)?.2;
    }
    let (validity, _) = expect(fields, SEQUENCE)?;
    let (tag, end, _) = element(element(validity)?.2)?;
    let text = std::str::from_utf8(end).ok()?;
    match tag {
        // Years from 1950 to 2049, as the RFC has it.
        UTC_TIME => {
            let year: i64 = text.get(..2)?.parse().ok()?;
            moment(if year < 50 { 2000 + year } else { 1900 + year }, text.get(2..)?)
        }
        GENERALIZED_TIME => moment(text.get(..4)?.parse().ok()?, text.get(4..)?),
        _ => None,
    }
}

/// Tag, content and what follows of the first element.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = usize::from(first);
    if first & 0x80 != 0 {
        let (bytes, after) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(bytes, _)| bytes.len() <= 4)?;
        length = bytes.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
        rest = after;
    }
    let (content, after) = rest.split_at_checked(length)?;
    Some((tag, content, after))
}

fn expect(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(der).filter(|(found, _, _)| *found == tag).map(|(_, content, after)| (content, after))
}

/// `MMDDHHMMSSZ` of a year as a time.
fn moment(year: i64, text: &str) -> Option<SystemTime> {
    let digits = text.strip_suffix('Z').filter(|digits| digits.len() == 10 && digits.is_ascii())?;
    let two = |at: usize| digits.get(at..at + 2)?.parse::<i64>().ok();
    let (month, day, hour, minute, second) = (two(0)?, two(2)?, two(4)?, two(6)?, two(8)?);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let seconds = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
    UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

/// Days from 1970-01-01 in the Gregorian calendar: years are counted from March, so that a leap day is the last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let since_march = (month + 9) % 12;
    let day_of_year = (153 * since_march + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// An HTTP `Date` (RFC 9110 §5.6.7, its usual form): `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut words = text.trim().strip_suffix(" GMT")?.split(' ').skip(1);
    let (day, month, year, clock) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    moment(year.parse().ok()?, &format!("{month:02}{day}{}Z", clock.replace(':', "")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut element = vec![tag, 0x82];
        element.extend(u16::try_from(content.len()).unwrap().to_be_bytes());
        element.extend(content);
        element
    }

    fn certificate(tag: u8, end: &str) -> Vec<u8> {
        let validity = [der(UTC_TIME, b"200101000000Z"), der(tag, end.as_bytes())].concat();
        let fields = [
            der(VERSION, &der(2, &[2])),
            der(2, &[1]),
            der(SEQUENCE, b""),
            der(SEQUENCE, b"issuer"),
            der(SEQUENCE, &validity),
            der(SEQUENCE, b"subject"),
        ];
        der(SEQUENCE, &der(SEQUENCE, &fields.concat()))
    }

    fn seconds(time: Option<SystemTime>) -> Option<u64> {
        Some(time?.duration_since(UNIX_EPOCH).unwrap().as_secs())
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms() {
        assert_eq!(seconds(good_until(&certificate(UTC_TIME, "240229235959Z"))), Some(1_709_251_199));
        assert_eq!(seconds(good_until(&certificate(GENERALIZED_TIME, "20500301000000Z"))), Some(2_529_705_600));
        assert_eq!(seconds(good_until(&certificate(UTC_TIME, "700101000000Z"))), Some(0));
    }

    #[test]
    fn what_is_no_certificate_is_read_without_harm() {
        let whole = certificate(UTC_TIME, "240229235959Z");
        for cut in 0..whole.len() {
            assert_eq!(good_until(&whole[..cut]), None);
        }
        for end in ["241329235959Z", "2402292359Z", "24022923595\u{e9}Z", ""] {
            assert_eq!(good_until(&certificate(UTC_TIME, end)), None, "{end}");
        }
    }

    #[test]
    fn dates_of_answers_are_read() {
        assert_eq!(seconds(http_date("Sun, 06 Nov 1994 08:49:37 GMT")), Some(784_111_777));
        for other in ["", "yesterday", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT"] {
            assert_eq!(http_date(other), None, "{other}");
        }
    }
}
