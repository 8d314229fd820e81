//! Texts that many rows share, written once a block: ClickHouse's LowCardinality(String).

use super::reader::Read;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// Texts in the order in which they were first seen; the first is empty.
pub struct Texts {
    octets: Vec<u8>,
    count: u32,
}

impl Default for Texts {
    fn default() -> Self {
        Texts { octets: vec![0], count: 1 }
    }
}

impl Texts {
    pub fn clear(&mut self) {
        self.octets.truncate(1);
        self.count = 1;
    }

    pub fn push(&mut self, text: &[u8]) -> u32 {
        string(&mut self.octets, text);
        self.count += 1;
        self.count - 1
    }

    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    pub fn count(&self) -> u32 {
        self.count
    }
}

/// Texts by the octets that they are made from, as they stood on the wire.
///
/// Open addressing over places in one buffer, so that a new text allocates nothing of its own.
pub struct Dictionary {
    /// One more than the place of a key, or 0.
    slots: Vec<u32>,
    keys: Vec<Key>,
    octets: Vec<u8>,
    texts: Texts,
    scratch: Vec<u8>,
    /// As the network chooses the keys.
    seed: u64,
}

struct Key {
    hash: u64,
    start: u32,
    length: u32,
}

const FEWEST_SLOTS: usize = 1 << 8;
const MULTIPLIER: u128 = 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;

impl Default for Dictionary {
    fn default() -> Self {
        Dictionary {
            slots: vec![0; FEWEST_SLOTS],
            keys: Vec::new(),
            octets: Vec::new(),
            texts: Texts::default(),
            scratch: Vec::new(),
            seed: RandomState::new().build_hasher().finish(),
        }
    }
}

impl Dictionary {
    /// The place of the key's text, which `write` makes the first time that the key is seen.
    #[inline]
    pub fn intern(
        &mut self,
        key: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> Read<()>,
    ) -> Read<u32> {
        let hash = hash(self.seed, key);
        let mask = self.slots.len() - 1;
        let mut slot = hash as usize & mask;
        loop {
            match self.slots[slot] {
                0 => return self.add(slot, hash, key, write),
                place => {
                    let known = &self.keys[place as usize - 1];
                    let start = known.start as usize;
                    if known.hash == hash
                        && self.octets[start..start + known.length as usize] == *key
                    {
                        return Ok(place);
                    }
                }
            }
            slot = (slot + 1) & mask;
        }
    }

    /// The text of place n is the n-th of `texts`, as place 0 is that of the empty one.
    fn add(
        &mut self,
        slot: usize,
        hash: u64,
        key: &[u8],
        write: impl FnOnce(&mut Vec<u8>) -> Read<()>,
    ) -> Read<u32> {
        self.scratch.clear();
        write(&mut self.scratch)?;
        let place = self.texts.push(&self.scratch);
        self.slots[slot] = place;
        let start = self.octets.len() as u32;
        self.octets.extend_from_slice(key);
        self.keys.push(Key { hash, start, length: key.len() as u32 });
        if self.keys.len() * 2 > self.slots.len() {
            self.grow();
        }
        Ok(place)
    }

    fn grow(&mut self) {
        let count = self.slots.len() * 2;
        self.slots.clear();
        self.slots.resize(count, 0);
        for (index, key) in self.keys.iter().enumerate() {
            let mut slot = key.hash as usize & (count - 1);
            while self.slots[slot] != 0 {
                slot = (slot + 1) & (count - 1);
            }
            self.slots[slot] = index as u32 + 1;
        }
    }

    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    pub fn clear(&mut self) {
        if !self.keys.is_empty() {
            self.slots.iter_mut().for_each(|slot| *slot = 0);
        }
        self.keys.clear();
        self.octets.clear();
        self.texts.clear();
    }
}

#[inline]
fn hash(seed: u64, key: &[u8]) -> u64 {
    let mut state = seed ^ key.len() as u64;
    let mut words = key.chunks_exact(8);
    for word in &mut words {
        let mut octets = [0; 8];
        octets.copy_from_slice(word);
        state = fold(state ^ u64::from_le_bytes(octets));
    }
    let mut last = [0; 8];
    let rest = words.remainder();
    last[..rest.len()].copy_from_slice(rest);
    fold(state ^ u64::from_le_bytes(last))
}

#[inline]
fn fold(word: u64) -> u64 {
    let product = u128::from(word).wrapping_mul(MULTIPLIER);
    (product >> 64) as u64 ^ product as u64
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

pub fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    varint(out, text.len() as u64);
    out.extend_from_slice(text);
}
