//! Texts that many rows share, written once a block: ClickHouse's LowCardinality(String).

use crate::reader::Read;
use std::collections::hash_map::{Entry, RandomState};
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, Hasher};

/// Hashes small fixed-size keys. Seeded, as the network chooses the keys.
#[derive(Clone)]
pub struct Seed(u64);

impl Default for Seed {
    fn default() -> Self {
        Seed(RandomState::new().build_hasher().finish())
    }
}

impl BuildHasher for Seed {
    type Hasher = Folded;

    fn build_hasher(&self) -> Folded {
        Folded(self.0)
    }
}

pub struct Folded(u64);

impl Folded {
    #[inline]
    fn fold(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * 0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835;
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

impl Hasher for Folded {
    fn finish(&self) -> u64 {
        self.0
    }

    #[inline]
    fn write(&mut self, octets: &[u8]) {
        for chunk in octets.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.fold(u64::from_le_bytes(word));
        }
    }

    #[inline]
    fn write_u32(&mut self, word: u32) {
        self.fold(u64::from(word));
    }

    #[inline]
    fn write_u64(&mut self, word: u64) {
        self.fold(word);
    }

    #[inline]
    fn write_usize(&mut self, word: usize) {
        self.fold(word as u64);
    }
}

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

/// Texts by the value that they are made from.
#[derive(Default)]
pub struct Dictionary<K> {
    ids: HashMap<K, u32, Seed>,
    texts: Texts,
    scratch: Vec<u8>,
}

impl<K: Hash + Eq> Dictionary<K> {
    /// The place of the key's text, which `write` makes the first time that the key is seen.
    #[inline]
    pub fn intern(&mut self, key: K, write: impl FnOnce(&mut Vec<u8>) -> Read<()>) -> Read<u32> {
        match self.ids.entry(key) {
            Entry::Occupied(known) => Ok(*known.get()),
            Entry::Vacant(place) => {
                self.scratch.clear();
                write(&mut self.scratch)?;
                Ok(*place.insert(self.texts.push(&self.scratch)))
            }
        }
    }

    pub fn texts(&self) -> &Texts {
        &self.texts
    }

    pub fn clear(&mut self) {
        self.ids.clear();
        self.texts.clear();
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
