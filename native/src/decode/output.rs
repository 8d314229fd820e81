//! Where a block is written: memory that is used again, block after block, without clearing it.

use super::dictionary::{string, varint};

#[derive(Default)]
pub struct Output {
    octets: Vec<u8>,
    length: usize,
    scratch: Vec<u8>,
}

impl Output {
    pub fn clear(&mut self) {
        self.length = 0;
    }

    pub fn octets(&self) -> &[u8] {
        &self.octets[..self.length]
    }

    /// The next octets, to be filled.
    pub fn room(&mut self, count: usize) -> &mut [u8] {
        let start = self.length;
        self.length += count;
        if self.octets.len() < self.length {
            self.octets.resize(self.length.next_power_of_two(), 0);
        }
        &mut self.octets[start..self.length]
    }

    pub fn put(&mut self, octets: &[u8]) {
        self.room(octets.len()).copy_from_slice(octets);
    }

    pub fn word(&mut self, value: u64) {
        self.put(&value.to_le_bytes());
    }

    pub fn varint(&mut self, value: u64) {
        self.scratched(|scratch| varint(scratch, value));
    }

    pub fn string(&mut self, text: &[u8]) {
        self.scratched(|scratch| string(scratch, text));
    }

    pub fn set_first(&mut self, octet: u8) {
        self.octets[0] = octet;
    }

    fn scratched(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        write(&mut scratch);
        self.put(&scratch);
        self.scratch = scratch;
    }
}

/// Groups are small: so many values are written at once, and those too many are written over.
const FEW: u32 = 4;

/// Fills room with values of one size.
pub struct Filler<'a> {
    room: &'a mut [u8],
    at: usize,
}

impl<'a> Filler<'a> {
    pub fn new(room: &'a mut [u8]) -> Self {
        Filler { room, at: 0 }
    }

    #[inline]
    pub fn one<const N: usize>(&mut self, value: [u8; N]) {
        self.room[self.at..self.at + N].copy_from_slice(&value);
        self.at += N;
    }

    #[inline]
    pub fn times<const N: usize>(&mut self, value: [u8; N], count: u32) {
        if N == 1 {
            return self.octets(value[0], count);
        }
        let end = self.at + N * count as usize;
        if count <= FEW {
            if let Some(room) = self.room.get_mut(self.at..self.at + N * FEW as usize) {
                for place in room.chunks_exact_mut(N) {
                    place.copy_from_slice(&value);
                }
                self.at = end;
                return;
            }
        }
        for place in self.room[self.at..end].chunks_exact_mut(N) {
            place.copy_from_slice(&value);
        }
        self.at = end;
    }

    /// So few octets fit into one word; a loop over them would be a call of memset.
    #[inline]
    fn octets(&mut self, value: u8, count: u32) {
        const WORD: usize = 8;
        let end = self.at + count as usize;
        match self.room.get_mut(self.at..self.at + WORD) {
            Some(room) if count as usize <= WORD => {
                room.copy_from_slice(&(u64::from(value) * 0x0101_0101_0101_0101).to_le_bytes());
            }
            _ => self.room[self.at..end].fill(value),
        }
        self.at = end;
    }
}
