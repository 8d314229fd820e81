//! Routes that one UPDATE says alike, and what it says of them.

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

/// The attributes of one UPDATE; places in the dictionaries, where they are texts.
#[derive(Clone, Copy, Default)]
pub struct Set {
    /// 0 where there is none, else one more than its code.
    pub origin: u8,
    pub med: Option<u32>,
    pub local_pref: Option<u32>,
    pub as_path: u32,
    pub communities: u32,
    /// Place in `Rows::rare`.
    pub rare: u32,
}

/// Attributes that most UPDATEs do not have.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Rare {
    pub atomic_aggregate: bool,
    pub aggregator: u32,
    pub originator_id: u32,
    pub ext_communities: u32,
    pub large_communities: u32,
    pub cluster_list: u32,
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
    pub as_path: Vec<u32>,
    pub communities: Vec<u32>,
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
        self.as_path.truncate(count);
        self.communities.truncate(count);
        self.rare.truncate(count);
    }
}
