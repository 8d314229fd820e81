//! Prefixes as NLRI: plain (RFC 4271), labelled (RFC 8277) and L3VPN (RFC 4364, RFC 4659).

use super::dictionary::Dictionary;
use super::reader::{exactly, Decline, Read, Reader};
use super::text;

/// Families whose routes are read here, as bits and places.
pub const FAMILIES: [&[u8]; 6] = [
    b"ipv4-unicast",
    b"ipv6-unicast",
    b"ipv4-labelled-unicast",
    b"ipv6-labelled-unicast",
    b"l3vpn-ipv4-unicast",
    b"l3vpn-ipv6-unicast",
];
pub const IPV4_UNICAST: u8 = 0;
pub const IPV6_UNICAST: u8 = 1;
const LABELLED: u8 = 2;
const VPN: u8 = 4;
/// An IPv4 address as an IPv6 one (RFC 4291 section 2.5.5.2).
const MAPPED: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 0];
/// Bit of IPv6 in a family's place.
const IPV6: u8 = 1;

pub fn family(afi: u16, safi: u8) -> Read<u8> {
    let ipv6 = match afi {
        1 => 0,
        2 => IPV6,
        _ => return Err(Decline),
    };
    match safi {
        1 => Ok(ipv6),
        4 => Ok(LABELLED | ipv6),
        128 => Ok(VPN | ipv6),
        _ => Err(Decline),
    }
}

pub fn has_labels(family: u8) -> bool {
    family >= LABELLED
}

pub fn has_rd(family: u8) -> bool {
    family >= VPN
}

/// The octets of a prefix of an address of N octets; what is beyond its length is anything.
#[inline]
fn significant<const N: usize>(reader: &mut Reader<'_>, length: u32) -> Read<[u8; N]> {
    if length as usize > N * 8 {
        return Err(Decline);
    }
    let ahead = reader.rest();
    let octets = reader.take((length as usize + 7) / 8)?;
    if let Some(whole) = ahead.get(..N) {
        return exactly(whole);
    }
    let mut last = [0; N]; // nothing comes behind it that could be read along
    last[..octets.len()].copy_from_slice(octets);
    Ok(last)
}

/// Destinations, column by column; the last three have a value only where the family has one.
#[derive(Default)]
pub struct Destinations {
    pub address: Vec<[u8; 16]>,
    /// Of the address as IPv6: 96 more than that of an IPv4 prefix.
    pub length: Vec<u8>,
    pub path_id: Vec<u32>,
    pub rd: Vec<u32>,
    pub labels: Vec<u32>,
    pub label_counts: Vec<u8>,
}

/// How far the columns were filled.
#[derive(Clone, Copy)]
pub struct Mark([usize; 5]);

impl Destinations {
    pub fn clear(&mut self) {
        self.truncate(Mark([0; 5]));
    }

    pub fn mark(&self) -> Mark {
        Mark([
            self.address.len(),
            self.path_id.len(),
            self.rd.len(),
            self.labels.len(),
            self.label_counts.len(),
        ])
    }

    pub fn truncate(&mut self, mark: Mark) {
        let Mark([rows, path_ids, rds, labels, counts]) = mark;
        self.address.truncate(rows);
        self.length.truncate(rows);
        self.path_id.truncate(path_ids);
        self.rd.truncate(rds);
        self.labels.truncate(labels);
        self.label_counts.truncate(counts);
    }

    /// Add all destinations of the NLRI; declined ones leave a part behind for `truncate`.
    pub fn read(
        &mut self,
        nlri: &[u8],
        family: u8,
        add_path: bool,
        rds: &mut Dictionary,
    ) -> Read<()> {
        let mut reader = Reader::new(nlri);
        let ipv6 = family & IPV6 != 0;
        if !add_path && !has_labels(family) {
            while !reader.is_empty() {
                let length = u32::from(reader.u8()?);
                self.read_prefix(&mut reader, length, ipv6)?;
            }
            return Ok(());
        }
        while !reader.is_empty() {
            if add_path {
                self.path_id.push(reader.u32()?);
            }
            let mut length = u32::from(reader.u8()?);
            if has_labels(family) {
                length = length.checked_sub(self.read_labels(&mut reader)?).ok_or(Decline)?;
            }
            if has_rd(family) {
                length = length.checked_sub(64).ok_or(Decline)?;
                let octets: [u8; 8] = reader.array()?;
                self.rd.push(rds.intern(&octets, |out| {
                    text::route_distinguisher(out, octets);
                    Ok(())
                })?);
            }
            self.read_prefix(&mut reader, length, ipv6)?;
        }
        Ok(())
    }

    /// Add one prefix of a family without labels, which stands behind its length.
    pub fn read_one(&mut self, reader: &mut Reader<'_>, family: u8) -> Read<()> {
        let length = u32::from(reader.u8()?);
        self.read_prefix(reader, length, family & IPV6 != 0)
    }

    /// Say the last prefix once more.
    pub fn again(&mut self) {
        if let (Some(address), Some(length)) = (self.address.last(), self.length.last()) {
            let (address, length) = (*address, *length);
            self.address.push(address);
            self.length.push(length);
        }
    }

    #[inline]
    fn read_prefix(&mut self, reader: &mut Reader<'_>, length: u32, ipv6: bool) -> Read<()> {
        let address = if ipv6 {
            let bits = u128::from_be_bytes(significant(reader, length)?);
            (bits & u128::MAX.checked_shl(128 - length).unwrap_or(0)).to_be_bytes()
        } else {
            let bits = u32::from_be_bytes(significant(reader, length)?);
            let kept = bits & u32::MAX.checked_shl(32 - length).unwrap_or(0);
            let mut mapped = MAPPED;
            mapped[12..].copy_from_slice(&kept.to_be_bytes());
            mapped
        };
        self.address.push(address);
        self.length.push(length as u8 + if ipv6 { 0 } else { 96 });
        Ok(())
    }

    /// The label stack up to the label with the bottom bit; the bits that it took.
    fn read_labels(&mut self, reader: &mut Reader<'_>) -> Read<u32> {
        let mut count = 0u8;
        loop {
            let octets: [u8; 3] = exactly(reader.take(3)?)?;
            let entry = u32::from_be_bytes([0, octets[0], octets[1], octets[2]]);
            let used = 24 * (u32::from(count) + 1);
            if count == 0 && (entry == 0 || entry == 0x80_0000) {
                self.label_counts.push(0); // what stands for the labels in a withdrawal
                return Ok(used);
            }
            self.labels.push(entry >> 4);
            count = count.checked_add(1).ok_or(Decline)?;
            if entry & 1 != 0 {
                self.label_counts.push(count);
                return Ok(used);
            }
        }
    }
}
