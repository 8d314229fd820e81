//! How to read each peer's messages, as the reference decoder has said.
//!
//! Python keeps the session: who is up since when, what was negotiated, which tables are complete.
//! Here is a copy of what it takes to read a route, by the octets that say whose it is: those of a
//! BMP per-peer header or of the head of an MRT record. When any of it changes, Python has the copy
//! forgotten, and the next message is declined to it again.

use super::dictionary::{Names, Texts};
use std::collections::HashMap;

/// Feed, router, router address, peer, BGP identifier, peer distinguisher, view, table.
pub const NAMES: usize = 8;

pub struct Peer {
    key: Box<[u8]>,
    texts: [Vec<u8>; NAMES],
    pub names: [u32; NAMES],
    pub epoch: i64,
    pub peer_as: u32,
    pub as4: bool,
    /// Families, as bits, whose NLRI has path ids.
    pub add_path: u8,
    /// Families, as bits, whose routes are of the initial table.
    pub dumping: u8,
    /// When a route of the initial table last came, ns; 0 where none did.
    pub last_dumped: i64,
    forgotten: bool,
}

#[derive(Default)]
pub struct Peers {
    places: HashMap<Box<[u8]>, u32>,
    peers: Vec<Peer>,
    names: [Names; NAMES],
    last: u32,
    stale: bool,
}

impl Peers {
    /// Remember how to read the messages that begin with this key.
    pub fn add(
        &mut self,
        key: &[u8],
        texts: [&[u8]; NAMES],
        peer_as: u32,
        epoch: i64,
        flags: [u8; 3],
    ) {
        self.forget(key);
        let names = self.intern(&texts);
        let [as4, add_path, dumping] = flags;
        self.places.insert(key.into(), self.peers.len() as u32);
        self.peers.push(Peer {
            key: key.into(),
            texts: texts.map(<[u8]>::to_vec),
            names,
            epoch,
            peer_as,
            as4: as4 != 0,
            add_path,
            dumping,
            last_dumped: 0,
            forgotten: false,
        });
    }

    fn intern(&mut self, texts: &[&[u8]; NAMES]) -> [u32; NAMES] {
        let mut places = [0; NAMES];
        for (index, text) in texts.iter().enumerate() {
            places[index] = self.names[index].intern(text);
        }
        places
    }

    /// Its rows that wait keep what they were read with.
    pub fn forget(&mut self, key: &[u8]) {
        if let Some(place) = self.places.remove(key) {
            self.peers[place as usize].forgotten = true;
            self.stale = true;
        }
    }

    #[inline]
    pub fn find(&mut self, key: &[u8]) -> Option<u32> {
        let last = self.peers.get(self.last as usize);
        if last.map_or(false, |peer| *peer.key == *key && !peer.forgotten) {
            return Some(self.last);
        }
        let place = *self.places.get(key)?;
        self.last = place;
        Some(place)
    }

    pub fn get(&self, place: u32) -> &Peer {
        &self.peers[place as usize]
    }

    pub fn get_mut(&mut self, place: u32) -> &mut Peer {
        &mut self.peers[place as usize]
    }

    pub fn by_key(&self, key: &[u8]) -> Option<&Peer> {
        self.places.get(key).map(|place| self.get(*place))
    }

    pub fn names(&self, column: usize) -> &Texts {
        self.names[column].texts()
    }

    /// Drop what was forgotten. Only when no row refers to any peer.
    pub fn sweep(&mut self) {
        if !self.stale {
            return;
        }
        self.stale = false;
        self.last = 0;
        self.peers.retain(|peer| !peer.forgotten);
        self.names.iter_mut().for_each(Names::clear);
        for place in 0..self.peers.len() {
            self.places.insert(self.peers[place].key.clone(), place as u32);
            let texts = std::mem::take(&mut self.peers[place].texts);
            let borrowed: [&[u8]; NAMES] = std::array::from_fn(|index| &texts[index][..]);
            self.peers[place].names = self.intern(&borrowed);
            self.peers[place].texts = texts;
        }
    }
}
