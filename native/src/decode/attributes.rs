//! Path attributes (RFC 4271 section 4.3): told apart and checked, their values still as octets.

use super::reader::{exactly, Decline, Read, Reader};

const OPTIONAL: u8 = 0x80;
const TRANSITIVE: u8 = 0x40;
const EXTENDED: u8 = 0x10;

pub const AS_SET: u8 = 1;
pub const AS_SEQUENCE: u8 = 2;
pub const CONFED_SEQUENCE: u8 = 3;
pub const CONFED_SET: u8 = 4;
const AS_TRANS: u32 = 23456;

/// An AS number and an address.
pub type Aggregator = (u32, [u8; 4]);

/// What one UPDATE says of its routes.
#[derive(Default)]
pub struct Attributes<'a> {
    pub origin: Option<u8>,
    pub as_path: Option<&'a [u8]>,
    pub as4_path: Option<&'a [u8]>,
    pub next_hop: Option<[u8; 4]>,
    pub med: Option<u32>,
    pub local_pref: Option<u32>,
    pub atomic_aggregate: bool,
    aggregator: Option<&'a [u8]>,
    as4_aggregator: Option<&'a [u8]>,
    pub communities: &'a [u8],
    pub originator_id: Option<[u8; 4]>,
    pub cluster_list: &'a [u8],
    pub reach: Option<&'a [u8]>,
    pub unreach: Option<&'a [u8]>,
    pub ext_communities: &'a [u8],
    pub large_communities: &'a [u8],
    /// The whole block where it has attributes without a reader, else empty.
    pub unknown: &'a [u8],
}

/// One attribute as (flags, type, value).
pub fn next<'a>(reader: &mut Reader<'a>) -> Read<(u8, u8, &'a [u8])> {
    let (flags, code, length, header) = match *reader.rest() {
        [flags, code, length, ..] if flags & EXTENDED == 0 => (flags, code, length as usize, 3),
        [flags, code, high, low, ..] => (flags, code, u16::from_be_bytes([high, low]) as usize, 4),
        _ => return Err(Decline),
    };
    reader.take(header)?;
    Ok((flags, code, reader.take(length)?))
}

/// Whether this type has a reader here or in the reference.
pub fn is_known(code: u8) -> bool {
    expected_flags(code).is_some()
}

fn expected_flags(code: u8) -> Option<u8> {
    match code {
        1 | 2 | 3 | 5 | 6 => Some(TRANSITIVE),
        4 | 9 | 10 | 14 | 15 => Some(OPTIONAL),
        7 | 8 | 16 | 17 | 18 | 25 | 32 => Some(OPTIONAL | TRANSITIVE),
        _ => None,
    }
}

/// All attributes of the block. Whatever RFC 7606 has a word for is declined.
pub fn read(block: &[u8]) -> Read<Attributes<'_>> {
    let mut found = Attributes::default();
    let mut reader = Reader::new(block);
    let mut seen = [0u64; 4];
    while !reader.is_empty() {
        let (flags, code, value) = next(&mut reader)?;
        let (word, bit) = (code as usize >> 6, 1u64 << (code & 63));
        if seen[word] & bit != 0 {
            return Err(Decline);
        }
        seen[word] |= bit;
        set(&mut found, block, (flags & (OPTIONAL | TRANSITIVE), code), value)?;
    }
    Ok(found)
}

#[inline]
fn set<'a>(
    found: &mut Attributes<'a>,
    block: &'a [u8],
    kind: (u8, u8),
    value: &'a [u8],
) -> Read<()> {
    const WELL_KNOWN: u8 = TRANSITIVE;
    const BOTH: u8 = OPTIONAL | TRANSITIVE;
    match kind {
        (WELL_KNOWN, 1) => match value {
            [origin @ 0..=2] => found.origin = Some(*origin),
            _ => return Err(Decline),
        },
        (WELL_KNOWN, 2) => found.as_path = Some(value),
        (WELL_KNOWN, 3) => found.next_hop = Some(exactly(value)?),
        (OPTIONAL, 4) => found.med = Some(u32::from_be_bytes(exactly(value)?)),
        (WELL_KNOWN, 5) => found.local_pref = Some(u32::from_be_bytes(exactly(value)?)),
        (WELL_KNOWN, 6) if value.is_empty() => found.atomic_aggregate = true,
        (BOTH, 7) => found.aggregator = Some(value),
        (BOTH, 8) => found.communities = multiple(value, 4)?,
        (OPTIONAL, 9) => found.originator_id = Some(exactly(value)?),
        (OPTIONAL, 10) => found.cluster_list = multiple(value, 4)?,
        (OPTIONAL, 14) => found.reach = Some(value),
        (OPTIONAL, 15) => found.unreach = Some(value),
        (BOTH, 16) => found.ext_communities = multiple(value, 8)?,
        (BOTH, 17) => found.as4_path = Some(value),
        (BOTH, 18) if value.len() == 8 => found.as4_aggregator = Some(value),
        (BOTH, 32) => found.large_communities = multiple(value, 12)?,
        // Wrong flags, broken values, and IPv6 extended communities, which are rare.
        (_, code) if is_known(code) => return Err(Decline),
        _ => found.unknown = block,
    }
    Ok(())
}

fn multiple(value: &[u8], size: usize) -> Read<&[u8]> {
    if value.is_empty() || value.len() % size != 0 {
        return Err(Decline);
    }
    Ok(value)
}

impl Attributes<'_> {
    /// Whether any of those is there that most UPDATEs do not have.
    pub fn has_rare(&self) -> bool {
        self.atomic_aggregate
            || self.aggregator.is_some()
            || self.originator_id.is_some()
            || !self.ext_communities.is_empty()
            || !self.large_communities.is_empty()
            || !self.cluster_list.is_empty()
            || !self.unknown.is_empty()
    }

    /// The aggregator, of a two-octet session the real one (RFC 6793 section 4.2.3).
    pub fn aggregator(&self, as4: bool) -> Read<Option<Aggregator>> {
        let value = match self.aggregator {
            Some(value) => value,
            None => return Ok(None),
        };
        let found = split_aggregator(value, as4)?;
        match self.as4_aggregator {
            Some(real) if !as4 && found.0 == AS_TRANS => split_aggregator(real, true).map(Some),
            _ => Ok(Some(found)),
        }
    }
}

fn split_aggregator(value: &[u8], as4: bool) -> Read<Aggregator> {
    let mut reader = Reader::new(value);
    let number = if as4 { reader.u32()? } else { u32::from(reader.u16()?) };
    let address = reader.array()?;
    if !reader.is_empty() {
        return Err(Decline);
    }
    Ok((number, address))
}

/// The numbers, of four octets each, of a path that is one sequence, as nearly all are.
pub fn plain_path(value: &[u8]) -> Option<&[u8]> {
    match value {
        [AS_SEQUENCE, count @ 1..=255, numbers @ ..] if numbers.len() == *count as usize * 4 => {
            Some(numbers)
        }
        _ => None,
    }
}

/// A segment of an AS path: its type, and which of the numbers it has.
#[derive(Clone, Copy)]
pub struct Segment {
    pub kind: u8,
    pub start: usize,
    pub end: usize,
}

/// AS numbers and the segments that they stand in; reused for every UPDATE.
#[derive(Default)]
pub struct Path {
    pub numbers: Vec<u32>,
    pub segments: Vec<Segment>,
}

impl Path {
    fn clear(&mut self) {
        self.numbers.clear();
        self.segments.clear();
    }

    /// Replace what is here by the path of the attribute's value.
    fn read(&mut self, value: &[u8], as4: bool) -> Read<()> {
        self.clear();
        let mut reader = Reader::new(value);
        while !reader.is_empty() {
            let [kind, count] = reader.array()?;
            if !(AS_SET..=CONFED_SET).contains(&kind) || count == 0 {
                return Err(Decline);
            }
            let start = self.numbers.len();
            let octets = reader.take(count as usize * if as4 { 4 } else { 2 })?;
            if as4 {
                let each = octets.chunks_exact(4);
                self.numbers.extend(each.map(|c| u32::from_be_bytes([c[0], c[1], c[2], c[3]])));
            } else {
                let each = octets.chunks_exact(2);
                self.numbers.extend(each.map(|c| u32::from(u16::from_be_bytes([c[0], c[1]]))));
            }
            self.segments.push(Segment { kind, start, end: self.numbers.len() });
        }
        Ok(())
    }

    /// A set counts as one (RFC 4271 section 9.1.2.2), confederation segments not (RFC 5065).
    fn length(&self) -> usize {
        let each = self.segments.iter();
        each.map(|s| match s.kind {
            AS_SEQUENCE => s.end - s.start,
            AS_SET => 1,
            _ => 0,
        })
        .sum()
    }

    fn push(&mut self, from: &Path, segment: Segment) {
        let start = self.numbers.len();
        self.numbers.extend_from_slice(&from.numbers[segment.start..segment.end]);
        self.segments.push(Segment { kind: segment.kind, start, end: self.numbers.len() });
    }

    /// Add the first `count` ASes of another path, as the reference counts them.
    fn push_first(&mut self, from: &Path, mut count: usize) {
        for &segment in &from.segments {
            if segment.kind == AS_SEQUENCE {
                let kept = (segment.end - segment.start).min(count);
                if kept > 0 {
                    self.push(from, Segment { end: segment.start + kept, ..segment });
                }
                count -= kept;
            } else if count > 0 || segment.kind != AS_SET {
                self.push(from, segment);
                count -= usize::from(segment.kind == AS_SET);
            }
        }
    }

    /// The last AS, unless the path is empty or ends in anything but a sequence.
    pub fn origin(&self) -> Option<u32> {
        match self.segments.last() {
            Some(last) if last.kind == AS_SEQUENCE => self.numbers.last().copied(),
            _ => None,
        }
    }
}

/// Room to put paths together in.
#[derive(Default)]
pub struct Paths {
    pub whole: Path,
    two_octet: Path,
    four_octet: Path,
}

impl Paths {
    /// Put the path of these attributes into `whole`: the real one of a two-octet session too
    /// (RFC 6793 section 4.2.3).
    pub fn read(&mut self, attributes: &Attributes<'_>, as4: bool) -> Read<()> {
        self.four_octet.clear();
        if let Some(value) = attributes.as4_path {
            self.four_octet.read(value, true)?;
        }
        let value = match attributes.as_path {
            Some(value) => value,
            None => {
                self.whole.clear();
                return Ok(());
            }
        };
        if as4 || self.four_octet.segments.is_empty() {
            return self.whole.read(value, as4);
        }
        self.two_octet.read(value, false)?;
        self.whole.clear();
        match self.two_octet.length().checked_sub(self.four_octet.length()) {
            None => self.whole.push_first(&self.two_octet, usize::MAX), // a longer one is ignored
            Some(keep) => {
                self.whole.push_first(&self.two_octet, keep);
                self.whole.push_first(&self.four_octet, usize::MAX);
            }
        }
        Ok(())
    }
}
