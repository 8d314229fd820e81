//! A BMP stream to rows: Route Monitoring of unicast, labelled and VPN routes (RFC 7854 section 4.6).
//!
//! Whatever is anything else, or odd, or watched, is declined to the reference decoder.

use super::attributes::{self, Attributes};
use super::block;
use super::groups::{Head, Set, ADD_PATH, ANNOUNCED, DUMPED, ODD};
use super::nlri::{family, IPV4_UNICAST};
use super::output::Output;
use super::peers::Peers;
use super::reader::{Decline, Read, Reader};
use super::rows::Rows;
use super::watch::Watch;

const VERSION: u8 = 3;
const NEWER_VERSION: u8 = 4;
const HEADER: usize = 6;
const PEER_HEADER: usize = 42;
/// Peer type, flags, distinguisher, address, AS and BGP identifier (RFC 7854 section 4.2).
const KEY: usize = 34;
const MAX_MESSAGE: usize = 1 << 20;
const ROUTE_MONITORING: u8 = 0;
const BGP_HEADER: usize = 19;
const UPDATE: u8 = 2;
/// 2000-01-01, seconds: an earlier time of a router is none.
const EARLIEST: i64 = 946_684_800;
/// Routes times octets of attributes that one UPDATE may say.
const LARGEST_EXPANSION: usize = 16 << 20;
/// What a row takes beside its lists, about.
const ROW_OCTETS: usize = 96;
const DAY: i64 = 86_400_000_000_000;

/// Why decoding stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// The next message is not whole yet, or there is none.
    More,
    /// The next message is for the reference decoder.
    Declined,
    /// A block should be taken first.
    Full,
    /// The stream cannot be framed.
    Broken,
}

/// Where a group's destinations came from.
pub(crate) struct Part {
    pub family: u8,
    pub rows: u32,
    pub add_path: bool,
    pub odd: bool,
}

#[derive(Default)]
pub struct Counts {
    pub messages: u64,
    pub announced: u64,
    pub withdrawn: u64,
    pub trailing: u64,
    /// Messages whose path ids were not as negotiated.
    pub odd: u64,
}

#[derive(Default)]
pub struct Decoder {
    pub rows: Rows,
    pub peers: Peers,
    pub watch: Watch,
    pub counts: Counts,
    /// Since 1970, in the header of the last MRT record.
    pub seconds: i64,
    max_rows: usize,
    max_octets: usize,
}

/// One UPDATE's surroundings.
pub(crate) struct Scene {
    pub peer: u32,
    /// 0 where none was given.
    pub time: i64,
    pub received: i64,
    pub sequence: u64,
}

impl Decoder {
    /// One that is full from so many rows, or about so many octets, on.
    pub fn new(max_rows: usize, max_octets: usize) -> Self {
        let mut decoder = Decoder { max_rows, max_octets, ..Decoder::default() };
        decoder.rows.clear();
        decoder
    }

    /// Read messages until something else is to be done; how many octets were read, and why it
    /// stopped. `sequence` is that of the last event before.
    pub fn decode(&mut self, data: &[u8], received: i64, sequence: u64) -> (usize, Stop) {
        let start = self.rows.count as u64;
        let mut at = 0;
        loop {
            let left = &data[at..];
            let length = match frame(left) {
                Ok(Some(length)) => length,
                Ok(None) => return (at, Stop::More),
                Err(Decline) => return (at, Stop::Broken),
            };
            if self.is_full(received) {
                return (at, Stop::Full);
            }
            let next = sequence + self.rows.count as u64 - start + 1;
            if self.message(&left[..length], received, next).is_err() {
                return (at, Stop::Declined);
            }
            at += length;
        }
    }

    /// Whether what is received then belongs into another block: a block is of one day, as the
    /// tables are partitioned by it.
    pub(crate) fn is_full(&self, received: i64) -> bool {
        let full = self.rows.count >= self.max_rows || self.rows.octets >= self.max_octets;
        full || (self.rows.count > 0 && received.div_euclid(DAY) != self.day())
    }

    /// Days since 1970 of the rows that wait.
    pub fn day(&self) -> i64 {
        self.rows.groups.received.first().map_or(0, |received| received.div_euclid(DAY))
    }

    /// Write the rows that wait as a block, and begin anew.
    pub fn take(&mut self, out: &mut Output, names: &mut Vec<u8>) -> usize {
        let rows = self.rows.count;
        block::write(&self.rows, &self.peers, out, names);
        self.rows.clear();
        self.peers.sweep();
        rows
    }

    fn message(&mut self, message: &[u8], received: i64, sequence: u64) -> Read<()> {
        if message[0] != VERSION || message[5] != ROUTE_MONITORING {
            return Err(Decline);
        }
        let mut reader = Reader::new(&message[HEADER..]);
        let header = reader.take(PEER_HEADER)?;
        let peer = self.peers.find(&header[..KEY]).ok_or(Decline)?;
        let mut clock = Reader::new(&header[KEY..]);
        let (seconds, microseconds) = (i64::from(clock.u32()?), i64::from(clock.u32()?));
        let known = seconds >= EARLIEST;
        let time = if known { seconds * 1_000_000_000 + microseconds * 1_000 } else { 0 };
        let body = update(&mut reader)?;
        let scene = Scene { peer, time, received, sequence };
        self.whole(|decoder| decoder.update(body, &scene))?;
        self.counts.trailing += u64::from(!reader.is_empty());
        Ok(())
    }

    /// Do something that adds rows: all of them or none.
    pub(crate) fn whole(&mut self, add: impl FnOnce(&mut Self) -> Read<()>) -> Read<()> {
        let mark = self.rows.mark();
        let first = self.rows.groups.len();
        if add(self).is_err() {
            self.rows.truncate(mark);
            return Err(Decline);
        }
        self.counts.messages += 1;
        self.count(first);
        Ok(())
    }

    pub(crate) fn update(&mut self, body: &[u8], scene: &Scene) -> Read<()> {
        let mut reader = Reader::new(body);
        let count = reader.u16()? as usize;
        let withdrawn = reader.take(count)?;
        let count = reader.u16()? as usize;
        let block = reader.take(count)?;
        let announced = reader.rest();
        let found = attributes::read(block)?;
        if (announced.is_empty() && found.reach.is_none())
            && is_end_of_rib(withdrawn, block, &found)
        {
            return Err(Decline);
        }
        let first = self.rows.destinations.address.len();
        let withdrawals = self.part(withdrawn, IPV4_UNICAST, scene)?;
        self.group(withdrawals, scene, None);
        if let Some(value) = found.unreach {
            let mut unreach = Reader::new(value);
            let family = family(unreach.u16()?, unreach.u8()?)?;
            let part = self.part(unreach.rest(), family, scene)?;
            self.group(part, scene, None);
        }
        if found.reach.is_some() || !announced.is_empty() {
            self.announcements(&found, announced, scene)?;
        }
        self.check(first, block.len())
    }

    /// Decline what would expand beyond measure, what is watched, and what says nothing.
    pub(crate) fn check(&mut self, first: usize, attributes: usize) -> Read<()> {
        let destinations = &self.rows.destinations;
        let rows = destinations.address.len() - first;
        if rows == 0 || rows * attributes > LARGEST_EXPANSION {
            return Err(Decline);
        }
        let each = destinations.address[first..].iter().zip(&destinations.length[first..]);
        for (address, length) in each {
            if self.watch.touches(*address, *length) {
                return Err(Decline);
            }
        }
        self.rows.octets += rows * (ROW_OCTETS + attributes);
        Ok(())
    }

    fn announcements(&mut self, found: &Attributes<'_>, body: &[u8], scene: &Scene) -> Read<()> {
        if found.next_hop.is_none() && !body.is_empty() {
            return Err(Decline);
        }
        let set = &self.set(found, scene.peer)?;
        if let Some(value) = found.reach {
            let mut reach = Reader::new(value);
            let family = family(reach.u16()?, reach.u8()?)?;
            let size = reach.u8()? as usize;
            let hop = reach.take(size)?;
            reach.u8()?;
            let hop = self.rows.next_hop(hop)?;
            let part = self.part(reach.rest(), family, scene)?;
            self.group(part, scene, Some((set, hop)));
        }
        if let (false, Some(hop)) = (body.is_empty(), found.next_hop) {
            let hop = self.rows.next_hop(&hop)?;
            let part = self.part(body, IPV4_UNICAST, scene)?;
            self.group(part, scene, Some((set, hop)));
        }
        Ok(())
    }

    /// The attributes of routes that are announced.
    pub(crate) fn set(&mut self, found: &Attributes<'_>, peer: u32) -> Read<Set> {
        if found.origin.is_none() || found.as_path.is_none() {
            return Err(Decline);
        }
        let as4 = self.peers.get(peer).as4;
        self.rows.add_set(found, as4)
    }

    /// Read NLRI as negotiated, and else the other way: only an exact parse is believed.
    fn part(&mut self, nlri: &[u8], family: u8, scene: &Scene) -> Read<Part> {
        let negotiated = self.peers.get(scene.peer).add_path >> family & 1 != 0;
        let rds = &mut self.rows.dictionaries.rd;
        let destinations = &mut self.rows.destinations;
        let mark = destinations.mark();
        let first = destinations.address.len();
        let mut add_path = negotiated;
        if destinations.read(nlri, family, add_path, rds).is_err() {
            destinations.truncate(mark);
            add_path = !negotiated;
            destinations.read(nlri, family, add_path, rds)?;
        }
        let rows = (destinations.address.len() - first) as u32;
        Ok(Part { family, rows, add_path, odd: add_path != negotiated })
    }

    pub(crate) fn group(&mut self, part: Part, scene: &Scene, announced: Option<(&Set, u32)>) {
        if part.rows == 0 {
            return;
        }
        let dumped = self.peers.get(scene.peer).dumping >> part.family & 1 != 0;
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        let head = Head {
            rows: part.rows,
            peer: scene.peer,
            received: scene.received,
            time: scene.time,
            sequence: scene.sequence,
            next_hop: announced.map_or(0, |(_, hop)| hop),
            family: part.family,
            flags: flag(announced.is_some(), ANNOUNCED)
                | flag(dumped, DUMPED)
                | flag(part.add_path, ADD_PATH)
                | flag(part.odd, ODD),
        };
        self.rows.groups.push(&head, announced.map_or(&Set::default(), |(set, _)| set));
        self.rows.count += part.rows as usize;
    }

    /// Number the events of the groups of one message, and count them.
    fn count(&mut self, first: usize) {
        let groups = &mut self.rows.groups;
        let odd = groups.flags[first..].iter().any(|flags| flags & ODD != 0);
        self.counts.odd += u64::from(odd);
        let mut events = 0;
        for index in first..groups.len() {
            let rows = u64::from(groups.rows[index]);
            groups.sequence[index] += events;
            events += rows;
            if groups.flags[index] & ANNOUNCED != 0 {
                self.counts.announced += rows;
            } else {
                self.counts.withdrawn += rows;
            }
            if groups.flags[index] & DUMPED != 0 {
                self.peers.get_mut(groups.peer[index]).last_dumped = groups.received[index];
            }
        }
    }
}

/// The length of the next message, once it is there; Decline where there cannot be one.
fn frame(data: &[u8]) -> Read<Option<usize>> {
    if data.len() < HEADER {
        return Ok(None);
    }
    let length = u32::from_be_bytes([data[1], data[2], data[3], data[4]]) as usize;
    let version_known = data[0] == VERSION || data[0] == NEWER_VERSION;
    if !version_known || !(HEADER..=MAX_MESSAGE).contains(&length) {
        return Err(Decline);
    }
    Ok(if data.len() < length { None } else { Some(length) })
}

/// The body of the UPDATE that comes next; anything else is declined.
pub(crate) fn update<'a>(reader: &mut Reader<'a>) -> Read<&'a [u8]> {
    let marker: [u8; 16] = reader.array()?;
    let length = reader.u16()? as usize;
    let kind = reader.u8()?;
    if marker != [0xFF; 16] || kind != UPDATE {
        return Err(Decline);
    }
    reader.take(length.checked_sub(BGP_HEADER).ok_or(Decline)?)
}

/// RFC 4724 section 2.
fn is_end_of_rib(withdrawn: &[u8], block: &[u8], found: &Attributes<'_>) -> bool {
    if !withdrawn.is_empty() {
        return false;
    }
    block.is_empty() || found.unreach.map_or(false, |value| value.len() <= 3)
}

/// Whole messages in the data: the least that any reader of BMP must do.
pub fn count_frames(data: &[u8]) -> usize {
    let mut at = 0;
    let mut count = 0;
    while let Ok(Some(length)) = frame(&data[at..]) {
        at += length;
        count += 1;
    }
    count
}
