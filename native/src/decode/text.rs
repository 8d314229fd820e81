//! Values as text, exactly as the reference decoder writes them.

use super::attributes::{Path, AS_SEQUENCE, AS_SET, CONFED_SEQUENCE};
use super::reader::{Decline, Read};
use std::io::Write;
use std::net::Ipv6Addr;

pub fn number(out: &mut Vec<u8>, value: u32) {
    let mut digits = [0u8; 10];
    let mut at = digits.len();
    let mut left = value as usize;
    while left >= 100 {
        at -= 2;
        digits[at..at + 2].copy_from_slice(&PAIRS[left % 100]);
        left /= 100;
    }
    at -= 2;
    digits[at..at + 2].copy_from_slice(&PAIRS[left]);
    if left < 10 {
        at += 1;
    }
    out.extend_from_slice(&digits[at..]);
}

/// The numbers below 100 as two digits.
const PAIRS: [[u8; 2]; 100] = pairs();

const fn pairs() -> [[u8; 2]; 100] {
    let mut found = [[0; 2]; 100];
    let mut number = 0;
    while number < found.len() {
        found[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    found
}

pub fn hex(out: &mut Vec<u8>, octets: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for octet in octets {
        out.push(DIGITS[usize::from(octet >> 4)]);
        out.push(DIGITS[usize::from(octet & 15)]);
    }
}

pub fn ipv4(out: &mut Vec<u8>, octets: [u8; 4]) {
    for (index, octet) in octets.iter().enumerate() {
        if index > 0 {
            out.push(b'.');
        }
        number(out, u32::from(*octet));
    }
}

pub fn ipv6(out: &mut Vec<u8>, octets: [u8; 16]) {
    // Writing to a vector cannot fail.
    let _ = write!(out, "{}", Ipv6Addr::from(octets));
}

/// Eight octets as `administrator:number` (RFC 4364 section 4.2).
pub fn route_distinguisher(out: &mut Vec<u8>, rd: [u8; 8]) {
    match [rd[0], rd[1]] {
        [0, 0] => two_parts(out, 0, rd),
        [0, 1] => two_parts(out, 1, rd),
        [0, 2] => {
            number(out, u32::from_be_bytes([rd[2], rd[3], rd[4], rd[5]]));
            out.push(b':');
            number(out, u32::from(u16::from_be_bytes([rd[6], rd[7]])));
        }
        _ => {
            out.extend_from_slice(b"0x");
            hex(out, &rd);
        }
    }
}

/// The six octets of a two-part value; `kind` says how they are split (RFC 4360 section 3).
fn two_parts(out: &mut Vec<u8>, kind: u8, c: [u8; 8]) {
    let short = u32::from(u16::from_be_bytes([c[6], c[7]]));
    match kind {
        1 => {
            ipv4(out, [c[2], c[3], c[4], c[5]]);
            out.push(b':');
            number(out, short);
        }
        2 => {
            let autonomous_system = u32::from_be_bytes([c[2], c[3], c[4], c[5]]);
            number(out, autonomous_system);
            if autonomous_system <= 0xFFFF {
                out.push(b'L');
            }
            out.push(b':');
            number(out, short);
        }
        _ => {
            number(out, u32::from(u16::from_be_bytes([c[2], c[3]])));
            out.push(b':');
            number(out, u32::from_be_bytes([c[4], c[5], c[6], c[7]]));
        }
    }
}

/// A community (RFC 1997) as `AS:number`, or its name where it is well known (IANA).
pub fn community(out: &mut Vec<u8>, value: u32) {
    let name: &[u8] = match value {
        0xFFFF_0000 => b"graceful-shutdown",
        0xFFFF_0001 => b"accept-own",
        0xFFFF_0006 => b"llgr-stale",
        0xFFFF_0007 => b"no-llgr",
        0xFFFF_029A => b"blackhole",
        0xFFFF_FF01 => b"no-export",
        0xFFFF_FF02 => b"no-advertise",
        0xFFFF_FF03 => b"no-export-subconfed",
        0xFFFF_FF04 => b"no-peer",
        _ => {
            number(out, value >> 16);
            out.push(b':');
            return number(out, value & 0xFFFF);
        }
    };
    out.extend_from_slice(name);
}

/// A large community (RFC 8092): `AS:number:number`.
pub fn large_community(out: &mut Vec<u8>, c: [u8; 12]) {
    for (index, part) in c.chunks_exact(4).enumerate() {
        if index > 0 {
            out.push(b':');
        }
        number(out, u32::from_be_bytes([part[0], part[1], part[2], part[3]]));
    }
}

/// An extended community (RFC 4360). One that holds a float is declined: Python knows how to
/// write floats.
pub fn ext_community(out: &mut Vec<u8>, c: [u8; 8]) -> Read<()> {
    let [high, low, ..] = c;
    let kind = high & 0x3F;
    if kind <= 2 && high & 0x80 == 0 {
        let name: Option<&[u8]> = match low {
            2 => Some(b"rt:"),
            3 => Some(b"soo:"),
            5 => Some(b"ospf-domain:"),
            7 => Some(b"ospf-router:"),
            9 => Some(b"as-specific:"),
            10 => Some(b"vpn-id:"),
            _ => None,
        };
        if let Some(name) = name {
            out.extend_from_slice(name);
            two_parts(out, kind, c);
            return Ok(());
        }
    }
    if kind == 0 && low == 4 {
        return Err(Decline);
    }
    let (name, start): (&[u8], usize) = match (high, low) {
        (0x03, 0x0B) => (b"color:", 4),
        (0x03, 0x0C) => (b"encapsulation:", 6),
        (0x06, 0x00) => (b"mac-mobility:", 4),
        (0x06, 0x01) => (b"esi-label:", 5),
        (0x43, 0x00) => (b"validation-state:", 7),
        (0x06, 0x02) => return mac(out, b"es-import:", c),
        (0x06, 0x03) => return mac(out, b"router-mac:", c),
        _ => {
            out.extend_from_slice(b"0x");
            hex(out, &c);
            return Ok(());
        }
    };
    out.extend_from_slice(name);
    number(out, c[start..].iter().fold(0, |sum, octet| sum << 8 | u32::from(*octet)));
    Ok(())
}

fn mac(out: &mut Vec<u8>, name: &[u8], c: [u8; 8]) -> Read<()> {
    out.extend_from_slice(name);
    for (index, octet) in c[2..].iter().enumerate() {
        if index > 0 {
            out.push(b':');
        }
        hex(out, &[*octet]);
    }
    Ok(())
}

/// Numbers of four octets with blanks between them; the last one.
pub fn numbers(out: &mut Vec<u8>, octets: &[u8]) -> u32 {
    let mut last = 0;
    for (index, c) in octets.chunks_exact(4).enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        last = u32::from_be_bytes([c[0], c[1], c[2], c[3]]);
        number(out, last);
    }
    last
}

/// A path with sets in braces and confederation segments in brackets (RFC 5065).
pub fn as_path(out: &mut Vec<u8>, path: &Path) {
    for (index, segment) in path.segments.iter().enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        let (open, between, close): (&[u8], u8, &[u8]) = match segment.kind {
            AS_SEQUENCE => (b"", b' ', b""),
            AS_SET => (b"{", b',', b"}"),
            CONFED_SEQUENCE => (b"(", b' ', b")"),
            _ => (b"[", b',', b"]"),
        };
        out.extend_from_slice(open);
        for (place, value) in path.numbers[segment.start..segment.end].iter().enumerate() {
            if place > 0 {
                out.push(between);
            }
            number(out, *value);
        }
        out.extend_from_slice(close);
    }
}

/// An attribute without a reader as `type flags hex`.
pub fn unknown_attribute(out: &mut Vec<u8>, code: u8, flags: u8, value: &[u8]) {
    number(out, u32::from(code));
    out.extend_from_slice(b" 0x");
    hex(out, &[flags]);
    if !value.is_empty() {
        out.push(b' ');
        hex(out, value);
    }
}
