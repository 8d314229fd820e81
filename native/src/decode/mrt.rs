//! MRT records to rows: UPDATEs (RFC 6396 section 4.4) and tables of unicast routes (section 4.3),
//! with path ids by RFC 8050.
//!
//! Whatever is anything else, or odd, is declined to the reference decoder.

use super::attributes;
use super::decoder::{update, Decoder, Part, Scene, Stop};
use super::nlri::{IPV4_UNICAST, IPV6_UNICAST};
use super::reader::{Decline, Read, Reader};

const HEADER: usize = 12;
/// No record is longer: a length beyond is damage, which Python mends.
const MAX_RECORD: usize = 1 << 20;
const SECOND: i64 = 1_000_000_000;

const TABLE_DUMP_V2: u16 = 13;
const BGP4MP: u16 = 16;
const BGP4MP_ET: u16 = 17;
/// What the key of a peer of a table begins with; then comes its place in the index.
const INDEXED: u8 = 0xFF;
/// Subtype, both AS numbers, interface, family and both addresses at their longest.
const KEY: usize = 1 + 4 + 4 + 2 + 2 + 16 + 16;

struct Record<'a> {
    seconds: i64,
    kind: u16,
    subtype: u16,
    body: &'a [u8],
}

impl Decoder {
    /// Read records until something else is to be done; how many octets were read, and why it
    /// stopped. `sequence` is that of the last event before.
    pub fn decode_mrt(&mut self, data: &[u8], sequence: u64) -> (usize, Stop) {
        let start = self.rows.count as u64;
        let mut at = 0;
        loop {
            let (record, length) = match record(&data[at..]) {
                Ok(Some(found)) => found,
                Ok(None) => return (at, Stop::More),
                Err(Decline) => return (at, Stop::Declined),
            };
            if self.is_full(record.seconds * SECOND) {
                return (at, Stop::Full);
            }
            let next = sequence + self.rows.count as u64 - start + 1;
            if self.record(&record, next).is_err() {
                return (at, Stop::Declined);
            }
            self.seconds = record.seconds;
            at += length;
        }
    }

    fn record(&mut self, record: &Record<'_>, sequence: u64) -> Read<()> {
        match (record.kind, record.subtype) {
            (BGP4MP | BGP4MP_ET, 1 | 4 | 8 | 9) => self.mrt_message(record, sequence),
            (TABLE_DUMP_V2, 2 | 8) => self.rib(record, IPV4_UNICAST, sequence),
            (TABLE_DUMP_V2, 4 | 10) => self.rib(record, IPV6_UNICAST, sequence),
            _ => Err(Decline),
        }
    }

    /// One BGP message that was received from a peer.
    fn mrt_message(&mut self, record: &Record<'_>, sequence: u64) -> Read<()> {
        let mut reader = Reader::new(record.body);
        let mut time = record.seconds * SECOND;
        if record.kind == BGP4MP_ET {
            time += i64::from(reader.u32()?) * 1_000;
        }
        let as_octets = if matches!(record.subtype, 4 | 9) { 8 } else { 4 };
        let head = reader.rest();
        let mut family = Reader::new(head.get(as_octets + 2..).ok_or(Decline)?);
        let addresses = match family.u16()? {
            1 => 8,
            2 => 32,
            _ => return Err(Decline),
        };
        let head = reader.take(as_octets + 4 + addresses)?;
        let mut key = [0; KEY];
        key[0] = record.subtype as u8;
        key[1..=head.len()].copy_from_slice(head);
        let peer = self.peers.find(&key[..=head.len()]).ok_or(Decline)?;
        if time == 0 {
            return Err(Decline); // which stands for no time at all here
        }
        let body = update(&mut reader)?;
        if !reader.is_empty() {
            return Err(Decline); // its length may be wrong
        }
        let scene = Scene { peer, time, received: time, sequence };
        self.whole(|decoder| decoder.update(body, &scene))
    }

    /// All paths to one prefix.
    fn rib(&mut self, record: &Record<'_>, family: u8, sequence: u64) -> Read<()> {
        let mut reader = Reader::new(record.body);
        reader.u32()?; // sequence number
        let add_path = record.subtype >= 8;
        let received = record.seconds * SECOND;
        self.whole(|decoder| {
            let first = decoder.rows.destinations.address.len();
            decoder.rows.destinations.read_one(&mut reader, family)?;
            let entries = reader.u16()?;
            if entries == 0 {
                return Err(Decline);
            }
            let mut octets = 0;
            for entry in 0..entries {
                if entry > 0 {
                    decoder.rows.destinations.again();
                }
                let index = reader.array::<2>()?;
                let time = i64::from(reader.u32()?) * SECOND;
                if time == 0 {
                    return Err(Decline);
                }
                if add_path {
                    let path_id = reader.u32()?;
                    decoder.rows.destinations.path_id.push(path_id);
                }
                let length = reader.u16()? as usize;
                let block = reader.take(length)?;
                octets += block.len();
                let key = [INDEXED, index[0], index[1]];
                let peer = decoder.peers.find(&key).ok_or(Decline)?;
                // The events of one record are numbered when they are all there.
                let scene = Scene { peer, time, received, sequence };
                decoder.entry(block, family, add_path, &scene)?;
            }
            if !reader.is_empty() {
                return Err(Decline);
            }
            decoder.check(first, octets / usize::from(entries))
        })
    }

    /// One path of a table. MP_REACH_NLRI holds no more than the next hop (section 4.3.4), or,
    /// as some write it, is whole.
    fn entry(&mut self, block: &[u8], family: u8, add_path: bool, scene: &Scene) -> Read<()> {
        let found = attributes::read(block)?;
        if found.unreach.is_some() {
            return Err(Decline);
        }
        let hop = match (family, found.reach, &found.next_hop) {
            (IPV4_UNICAST, None, Some(hop)) => self.rows.next_hop(hop)?,
            (IPV6_UNICAST, Some(value), _) => self.rows.next_hop(abbreviated(value)?)?,
            _ => return Err(Decline),
        };
        let set = self.set(&found, scene.peer)?;
        self.group(Part { family, rows: 1, add_path, odd: false }, scene, Some((&set, hop)));
        Ok(())
    }
}

fn abbreviated(value: &[u8]) -> Read<&[u8]> {
    match value.split_first() {
        Some((length, hop)) if *length as usize == hop.len() => Ok(hop),
        _ => {
            let mut reader = Reader::new(value);
            reader.take(3)?;
            let length = reader.u8()? as usize;
            reader.take(length)
        }
    }
}

/// The next record and its length, once it is there; what cannot be one is declined.
fn record(data: &[u8]) -> Read<Option<(Record<'_>, usize)>> {
    if data.len() < HEADER {
        return Ok(None);
    }
    let mut reader = Reader::new(data);
    let seconds = i64::from(reader.u32()?);
    let (kind, subtype) = (reader.u16()?, reader.u16()?);
    let length = reader.u32()? as usize;
    if length > MAX_RECORD {
        return Err(Decline);
    }
    if reader.rest().len() < length {
        return Ok(None);
    }
    let body = reader.take(length)?;
    Ok(Some((Record { seconds, kind, subtype, body }, HEADER + length)))
}
