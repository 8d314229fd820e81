//! Which prefixes somebody asked to watch: those, what covers them, and what they cover.

/// Disjoint ranges of addresses, sorted. Of two prefixes that share an address one covers the
/// other, so whether a prefix touches a watched one is whether two ranges meet.
#[derive(Default)]
pub struct Watch {
    ranges: Vec<(u128, u128)>,
}

impl Watch {
    /// Watch these (address, length) prefixes of IPv6, or of IPv4 mapped into it.
    pub fn new(prefixes: impl Iterator<Item = ([u8; 16], u8)>) -> Self {
        let mut ranges: Vec<_> = prefixes.map(|(address, length)| range(address, length)).collect();
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1 => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Watch { ranges: merged }
    }

    #[inline]
    pub fn touches(&self, address: [u8; 16], length: u8) -> bool {
        if self.ranges.is_empty() {
            return false;
        }
        let (first, last) = range(address, length);
        let at = self.ranges.partition_point(|watched| watched.1 < first);
        self.ranges.get(at).map_or(false, |watched| watched.0 <= last)
    }
}

fn range(address: [u8; 16], length: u8) -> (u128, u128) {
    let first = u128::from_be_bytes(address);
    (first, first | u128::MAX.checked_shr(u32::from(length)).unwrap_or(0))
}
