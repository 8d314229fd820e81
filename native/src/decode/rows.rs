//! The rows of a block as they are gathered: what an UPDATE says once is kept once.

use super::attributes::{self, Attributes, Paths};
use super::dictionary::{string, Dictionary};
use super::groups::{Groups, Rare, Set};
use super::nlri::{self, Destinations};
use super::reader::{exactly, Decline, Read, Reader};
use super::text;

/// Of each column of texts.
#[derive(Default)]
pub struct Dictionaries {
    pub next_hop: Dictionary,
    pub rd: Dictionary,
    pub as_path: Dictionary,
    pub aggregator: Dictionary,
    pub originator_id: Dictionary,
    pub communities: Dictionary,
    pub ext_communities: Dictionary,
    pub large_communities: Dictionary,
    pub cluster_list: Dictionary,
}

/// How far everything was filled.
#[derive(Clone, Copy)]
pub struct Mark {
    count: usize,
    groups: usize,
    rare: usize,
    destinations: nlri::Mark,
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
    /// The last AS of each path of the dictionary; the first is that of the empty one.
    pub origins: Vec<Option<u32>>,
    /// Unknown attributes.
    pub texts: Vec<u8>,
    paths: Paths,
    scratch: Vec<u8>,
    /// A peer has few next hops, and most often the same again.
    last_hop: (Vec<u8>, u32),
}

impl Rows {
    pub fn mark(&self) -> Mark {
        Mark {
            count: self.count,
            groups: self.groups.len(),
            rare: self.rare.len(),
            destinations: self.destinations.mark(),
            texts: self.texts.len(),
        }
    }

    /// Take back what was added since; texts may stay behind in the dictionaries.
    pub fn truncate(&mut self, mark: Mark) {
        self.count = mark.count;
        self.groups.truncate(mark.groups);
        self.rare.truncate(mark.rare);
        self.destinations.truncate(mark.destinations);
        self.texts.truncate(mark.texts);
    }

    pub fn clear(&mut self) {
        self.count = 0;
        self.octets = 0;
        self.groups.truncate(0);
        self.rare.clear();
        self.rare.push(Rare::default());
        self.destinations.clear();
        self.texts.clear();
        self.last_hop.0.clear();
        self.origins.clear();
        self.origins.push(None);
        let found = &mut self.dictionaries;
        found.next_hop.clear();
        found.rd.clear();
        found.as_path.clear();
        found.aggregator.clear();
        found.originator_id.clear();
        found.communities.clear();
        found.ext_communities.clear();
        found.large_communities.clear();
        found.cluster_list.clear();
    }

    /// The place of a next hop's text; that of an empty one is 0.
    pub fn next_hop(&mut self, hop: &[u8]) -> Read<u32> {
        let octets: &[u8] = match hop.len() {
            0 => return Ok(0),
            4 | 16 => hop,
            32 => &hop[..16],  // global and link-local (RFC 2545 section 3)
            12 => &hop[8..12], // behind a route distinguisher (RFC 4364, RFC 4659)
            24 | 48 => &hop[8..24],
            _ => return Err(Decline),
        };
        if self.last_hop.0 == octets {
            return Ok(self.last_hop.1);
        }
        let place = self.dictionaries.next_hop.intern(octets, |out| {
            match octets.len() {
                4 => text::ipv4(out, exactly(octets)?),
                _ => text::ipv6(out, exactly(octets)?),
            }
            Ok(())
        })?;
        self.last_hop.0.clear();
        self.last_hop.0.extend_from_slice(octets);
        self.last_hop.1 = place;
        Ok(place)
    }

    /// Gather the attributes of an UPDATE.
    pub fn add_set(&mut self, found: &Attributes<'_>, as4: bool) -> Read<Set> {
        let communities = found.communities;
        let set = Set {
            origin: found.origin.map_or(0, |code| code + 1),
            med: found.med,
            local_pref: found.local_pref,
            as_path: self.as_path(found, as4)?,
            communities: list(&mut self.dictionaries.communities, communities, |out, octets| {
                text::community(out, u32::from_be_bytes(octets));
                Ok(())
            })?,
            rare: 0,
        };
        if !found.has_rare() {
            return Ok(set);
        }
        let rare = self.rare(found, as4)?;
        if rare == Rare::default() {
            return Ok(set);
        }
        self.rare.push(rare);
        Ok(Set { rare: self.rare.len() as u32 - 1, ..set })
    }

    /// The same octets are the same path, but for the width of their numbers and an AS4_PATH.
    fn as_path(&mut self, found: &Attributes<'_>, as4: bool) -> Read<u32> {
        let value = match found.as_path {
            Some(value) if !value.is_empty() || found.as4_path.is_some() => value,
            _ => return Ok(0),
        };
        if value.len() % 2 != 0 {
            return Err(Decline); // no path has an odd number of octets, but other keys here do
        }
        let (paths, origins) = (&mut self.paths, &mut self.origins);
        let mut write = |out: &mut Vec<u8>| {
            let plain = attributes::plain_path(value);
            if let Some(numbers) = plain.filter(|_| as4 && found.as4_path.is_none()) {
                origins.push(Some(text::numbers(out, numbers)));
                return Ok(());
            }
            paths.read(found, as4)?;
            text::as_path(out, &paths.whole);
            origins.push(paths.whole.origin());
            Ok(())
        };
        if as4 && found.as4_path.is_none() {
            return self.dictionaries.as_path.intern(value, &mut write);
        }
        let key = &mut self.scratch;
        key.clear();
        key.extend_from_slice(value);
        key.extend_from_slice(found.as4_path.unwrap_or_default());
        // With this their number is odd, so that no path of four octets is the same key.
        key.extend_from_slice(&(value.len() as u32).to_le_bytes());
        key.push(if as4 { 0xFE } else { 0xFF });
        self.dictionaries.as_path.intern(key, write)
    }

    fn rare(&mut self, found: &Attributes<'_>, as4: bool) -> Read<Rare> {
        let Dictionaries {
            aggregator,
            originator_id,
            ext_communities,
            large_communities,
            cluster_list,
            ..
        } = &mut self.dictionaries;
        let mut rare = Rare {
            atomic_aggregate: found.atomic_aggregate,
            ext_communities: list(ext_communities, found.ext_communities, text::ext_community)?,
            large_communities: list(large_communities, found.large_communities, |out, octets| {
                text::large_community(out, octets);
                Ok(())
            })?,
            cluster_list: list(cluster_list, found.cluster_list, router_id)?,
            ..Rare::default()
        };
        if let Some((number, address)) = found.aggregator(as4)? {
            let mut key = [0; 8];
            key[..4].copy_from_slice(&number.to_be_bytes());
            key[4..].copy_from_slice(&address);
            rare.aggregator = aggregator.intern(&key, |out| {
                text::number(out, number);
                out.push(b' ');
                router_id(out, address)
            })?;
        }
        if let Some(address) = found.originator_id {
            rare.originator_id = originator_id.intern(&address, |out| router_id(out, address))?;
        }
        if !found.unknown.is_empty() {
            self.add_unknown(found.unknown, &mut rare)?;
        }
        Ok(rare)
    }

    fn add_unknown(&mut self, block: &[u8], rare: &mut Rare) -> Read<()> {
        let start = self.texts.len() as u32;
        let mut reader = Reader::new(block);
        while !reader.is_empty() {
            let (flags, code, value) = attributes::next(&mut reader)?;
            if attributes::is_known(code) {
                continue;
            }
            self.scratch.clear();
            text::unknown_attribute(&mut self.scratch, code, flags, value);
            string(&mut self.texts, &self.scratch);
            rare.unknown_count += 1;
        }
        rare.unknown = (start, self.texts.len() as u32);
        Ok(())
    }
}

fn router_id(out: &mut Vec<u8>, octets: [u8; 4]) -> Read<()> {
    text::ipv4(out, octets);
    Ok(())
}

/// The place of a list's text, whose values all have N octets and blanks between them.
fn list<const N: usize>(
    dictionary: &mut Dictionary,
    octets: &[u8],
    write: impl Fn(&mut Vec<u8>, [u8; N]) -> Read<()>,
) -> Read<u32> {
    if octets.is_empty() {
        return Ok(0);
    }
    dictionary.intern(octets, |out| {
        for (index, value) in octets.chunks_exact(N).enumerate() {
            if index > 0 {
                out.push(b' ');
            }
            write(out, exactly(value)?)?;
        }
        Ok(())
    })
}
