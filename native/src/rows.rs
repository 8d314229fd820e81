//! The rows of a block as they are gathered: what an UPDATE says once is kept once.

use crate::attributes::{self, Attributes, Path};
use crate::dictionary::{string, Dictionary, Texts};
use crate::nlri::{self, Destinations};
use crate::reader::{exactly, Read, Reader};
use crate::text;

/// Part of a pool, from start to end.
pub type Span = (u32, u32);

/// Bits of `Groups::flags`.
pub const ANNOUNCED: u8 = 1;
pub const DUMPED: u8 = 2;
/// Its destinations have path ids.
pub const ADD_PATH: u8 = 4;
/// ADD-PATH was not used as it was negotiated.
pub const ODD: u8 = 8;

/// What a group has beside its attributes.
pub struct Head {
    pub rows: u32,
    pub peer: u32,
    pub received: i64,
    /// 0 where the router gave no time.
    pub time: i64,
    pub sequence: u64,
    pub next_hop: u32,
    pub family: u8,
    pub flags: u8,
}

/// The attributes of one UPDATE.
#[derive(Clone, Copy, Default)]
pub struct Set {
    /// 0 where there is none, else one more than its code.
    pub origin: u8,
    pub med: Option<u32>,
    pub local_pref: Option<u32>,
    pub origin_as: Option<u32>,
    pub as_path: Span,
    pub communities: Span,
    /// Place in `Rows::rare`.
    pub rare: u32,
}

/// Attributes that most UPDATEs do not have.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Rare {
    pub atomic_aggregate: bool,
    pub aggregator: u32,
    pub originator_id: u32,
    /// The path's text, where its numbers do not say it all.
    pub as_path_sets: Span,
    pub ext_communities: Span,
    pub large_communities: Span,
    pub cluster_list: Span,
    /// Strings with their lengths, and how many.
    pub unknown: Span,
    pub unknown_count: u32,
}

/// Routes of one UPDATE that differ in nothing but their destination, column by column, so that
/// writing a column of a block reads no more than that column.
#[derive(Default)]
pub struct Groups {
    pub rows: Vec<u32>,
    pub peer: Vec<u32>,
    pub received: Vec<i64>,
    pub time: Vec<i64>,
    pub sequence: Vec<u64>,
    pub next_hop: Vec<u32>,
    pub family: Vec<u8>,
    pub flags: Vec<u8>,
    pub origin: Vec<u8>,
    pub med: Vec<Option<u32>>,
    pub local_pref: Vec<Option<u32>>,
    pub origin_as: Vec<Option<u32>>,
    pub as_path: Vec<Span>,
    pub communities: Vec<Span>,
    pub rare: Vec<u32>,
}

impl Groups {
    pub fn push(&mut self, head: &Head, set: &Set) {
        self.rows.push(head.rows);
        self.peer.push(head.peer);
        self.received.push(head.received);
        self.time.push(head.time);
        self.sequence.push(head.sequence);
        self.next_hop.push(head.next_hop);
        self.family.push(head.family);
        self.flags.push(head.flags);
        self.origin.push(set.origin);
        self.med.push(set.med);
        self.local_pref.push(set.local_pref);
        self.origin_as.push(set.origin_as);
        self.as_path.push(set.as_path);
        self.communities.push(set.communities);
        self.rare.push(set.rare);
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub fn truncate(&mut self, count: usize) {
        self.rows.truncate(count);
        self.peer.truncate(count);
        self.received.truncate(count);
        self.time.truncate(count);
        self.sequence.truncate(count);
        self.next_hop.truncate(count);
        self.family.truncate(count);
        self.flags.truncate(count);
        self.origin.truncate(count);
        self.med.truncate(count);
        self.local_pref.truncate(count);
        self.origin_as.truncate(count);
        self.as_path.truncate(count);
        self.communities.truncate(count);
        self.rare.truncate(count);
    }
}

/// An address of either family as a key; the last octet is its length.
type Address = [u8; 17];

#[derive(Default)]
pub struct Dictionaries {
    pub next_hop: Dictionary<Address>,
    pub rd: Dictionary<u64>,
    pub aggregator: Dictionary<u64>,
    pub originator_id: Dictionary<u32>,
    pub communities: Dictionary<u32>,
    pub ext_communities: Dictionary<u64>,
    pub large_communities: Dictionary<[u32; 3]>,
    pub cluster_list: Dictionary<u32>,
}

/// How far everything was filled.
#[derive(Clone, Copy)]
pub struct Mark {
    count: usize,
    groups: usize,
    rare: usize,
    destinations: nlri::Mark,
    numbers: usize,
    ids: usize,
    texts: usize,
}

#[derive(Default)]
pub struct Rows {
    pub count: usize,
    /// About what they will take as a block.
    pub octets: usize,
    pub groups: Groups,
    /// The first is that of groups without any.
    pub rare: Vec<Rare>,
    pub destinations: Destinations,
    pub dictionaries: Dictionaries,
    /// AS numbers of the paths.
    pub numbers: Vec<u32>,
    /// Places in the dictionaries, of all array columns.
    pub ids: Vec<u32>,
    pub texts: Vec<u8>,
}

impl Rows {
    pub fn mark(&self) -> Mark {
        Mark {
            count: self.count,
            groups: self.groups.len(),
            rare: self.rare.len(),
            destinations: self.destinations.mark(),
            numbers: self.numbers.len(),
            ids: self.ids.len(),
            texts: self.texts.len(),
        }
    }

    /// Take back what was added since; texts may stay behind in the dictionaries.
    pub fn truncate(&mut self, mark: Mark) {
        self.count = mark.count;
        self.groups.truncate(mark.groups);
        self.rare.truncate(mark.rare);
        self.destinations.truncate(mark.destinations);
        self.numbers.truncate(mark.numbers);
        self.ids.truncate(mark.ids);
        self.texts.truncate(mark.texts);
    }

    pub fn clear(&mut self) {
        self.count = 0;
        self.octets = 0;
        self.groups.truncate(0);
        self.rare.clear();
        self.rare.push(Rare::default());
        self.destinations.clear();
        self.numbers.clear();
        self.ids.clear();
        self.texts.clear();
        let found = &mut self.dictionaries;
        found.next_hop.clear();
        found.rd.clear();
        found.aggregator.clear();
        found.originator_id.clear();
        found.communities.clear();
        found.ext_communities.clear();
        found.large_communities.clear();
        found.cluster_list.clear();
    }

    /// The place of a next hop's text; that of an empty one is 0.
    pub fn next_hop(&mut self, hop: &[u8]) -> Read<u32> {
        let mut key = [0; 17];
        let octets: &[u8] = match hop.len() {
            0 => return Ok(0),
            4 | 16 => hop,
            32 => &hop[..16],  // global and link-local (RFC 2545 section 3)
            12 => &hop[8..12], // behind a route distinguisher (RFC 4364, RFC 4659)
            24 | 48 => &hop[8..24],
            _ => return Err(crate::reader::Decline),
        };
        key[..octets.len()].copy_from_slice(octets);
        key[16] = octets.len() as u8;
        self.dictionaries.next_hop.intern(key, |out| {
            match octets.len() {
                4 => text::ipv4(out, exactly(octets)?),
                _ => text::ipv6(out, exactly(octets)?),
            }
            Ok(())
        })
    }

    /// Gather the attributes of an UPDATE.
    pub fn add_set(&mut self, found: &Attributes<'_>, path: &Path, as4: bool) -> Read<Set> {
        let communities = &mut self.dictionaries.communities;
        let set = Set {
            origin: found.origin.map_or(0, |code| code + 1),
            med: found.med,
            local_pref: found.local_pref,
            origin_as: path.origin(),
            as_path: span(&mut self.numbers, |pool| pool.extend_from_slice(&path.numbers)),
            communities: each(&mut self.ids, found.communities, |octets: [u8; 4]| {
                let value = u32::from_be_bytes(octets);
                communities.intern(value, |out| {
                    text::community(out, value);
                    Ok(())
                })
            })?,
            rare: 0,
        };
        let rare = self.rare(found, path, as4)?;
        if rare == Rare::default() {
            return Ok(set);
        }
        self.rare.push(rare);
        Ok(Set { rare: self.rare.len() as u32 - 1, ..set })
    }

    fn rare(&mut self, found: &Attributes<'_>, path: &Path, as4: bool) -> Read<Rare> {
        let Dictionaries { aggregator, originator_id, .. } = &mut self.dictionaries;
        let mut rare = Rare { atomic_aggregate: found.atomic_aggregate, ..Rare::default() };
        if !path.is_plain() {
            rare.as_path_sets = span(&mut self.texts, |pool| text::as_path(pool, path));
        }
        if let Some((number, address)) = found.aggregator(as4)? {
            let key = u64::from(number) << 32 | u64::from(u32::from_be_bytes(address));
            rare.aggregator = aggregator.intern(key, |out| {
                text::number(out, number);
                out.push(b' ');
                text::ipv4(out, address);
                Ok(())
            })?;
        }
        if let Some(address) = found.originator_id {
            rare.originator_id = router_id(originator_id, u32::from_be_bytes(address))?;
        }
        self.add_lists(found, &mut rare)?;
        if !found.unknown.is_empty() {
            self.add_unknown(found.unknown, &mut rare)?;
        }
        Ok(rare)
    }

    fn add_lists(&mut self, found: &Attributes<'_>, rare: &mut Rare) -> Read<()> {
        let Dictionaries { ext_communities, large_communities, cluster_list, .. } =
            &mut self.dictionaries;
        let pool = &mut self.ids;
        if !found.ext_communities.is_empty() {
            rare.ext_communities = each(pool, found.ext_communities, |octets: [u8; 8]| {
                let key = u64::from_be_bytes(octets);
                ext_communities.intern(key, |out| text::ext_community(out, octets))
            })?;
        }
        if !found.large_communities.is_empty() {
            rare.large_communities = each(pool, found.large_communities, |c: [u8; 12]| {
                let part = |at: usize| u32::from_be_bytes([c[at], c[at + 1], c[at + 2], c[at + 3]]);
                let parts = [part(0), part(4), part(8)];
                large_communities.intern(parts, |out| {
                    text::large_community(out, parts);
                    Ok(())
                })
            })?;
        }
        if !found.cluster_list.is_empty() {
            rare.cluster_list = each(pool, found.cluster_list, |octets: [u8; 4]| {
                router_id(cluster_list, u32::from_be_bytes(octets))
            })?;
        }
        Ok(())
    }

    fn add_unknown(&mut self, block: &[u8], rare: &mut Rare) -> Read<()> {
        let start = self.texts.len() as u32;
        let mut reader = Reader::new(block);
        let mut one = Vec::new();
        while !reader.is_empty() {
            let (flags, code, value) = attributes::next(&mut reader)?;
            if attributes::is_known(code) {
                continue;
            }
            one.clear();
            text::unknown_attribute(&mut one, code, flags, value);
            string(&mut self.texts, &one);
            rare.unknown_count += 1;
        }
        rare.unknown = (start, self.texts.len() as u32);
        Ok(())
    }
}

fn router_id(dictionary: &mut Dictionary<u32>, id: u32) -> Read<u32> {
    dictionary.intern(id, |out| {
        text::ipv4(out, id.to_be_bytes());
        Ok(())
    })
}

fn span<T>(pool: &mut Vec<T>, fill: impl FnOnce(&mut Vec<T>)) -> Span {
    let start = pool.len() as u32;
    fill(pool);
    (start, pool.len() as u32)
}

/// The places of a list's values, which all have N octets.
fn each<const N: usize>(
    pool: &mut Vec<u32>,
    list: &[u8],
    mut intern: impl FnMut([u8; N]) -> Read<u32>,
) -> Read<Span> {
    let start = pool.len() as u32;
    for octets in list.chunks_exact(N) {
        pool.push(intern(exactly(octets)?)?);
    }
    Ok((start, pool.len() as u32))
}

/// What the peers of a session are called; a block's own, small dictionary is made from it.
#[derive(Default)]
pub struct Names {
    texts: Texts,
    known: Vec<Vec<u8>>,
}

impl Names {
    pub fn clear(&mut self) {
        self.texts.clear();
        self.known.clear();
    }

    pub fn intern(&mut self, name: &[u8]) -> u32 {
        if name.is_empty() {
            return 0;
        }
        if let Some(at) = self.known.iter().position(|known| known == name) {
            return at as u32 + 1;
        }
        self.known.push(name.to_vec());
        self.texts.push(name)
    }

    pub fn texts(&self) -> &Texts {
        &self.texts
    }
}
