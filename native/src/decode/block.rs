//! Rows as one block of ClickHouse's Native format: columns, rows, then each column.
//!
//! Columns that no row fills are left out: the table's defaults say the same.

use super::dictionary::Texts;
use super::groups::{ADD_PATH, ANNOUNCED, DUMPED, ODD};
use super::nlri::{has_labels, has_rd, FAMILIES};
use super::output::{Filler, Output};
use super::peers::{Peers, NAMES};
use super::rows::Rows;

const TEXT: &str = "LowCardinality(String)";
const TEXTS: &str = "Array(LowCardinality(String))";
const MAYBE_NUMBER: &str = "Nullable(UInt32)";
const MOMENT: &str = "DateTime64(9, 'UTC')";
/// Before the dictionary of a LowCardinality column: a dictionary of its own, for this block.
const OWN_KEYS: u64 = 0x600;
const DICTIONARY_VERSION: u64 = 1;
const PEER_COLUMNS: [&str; NAMES] =
    ["feed", "router", "router_address", "peer", "peer_bgp_id", "peer_rd", "view", "table_name"];

/// A block that is being written.
struct Writer<'a> {
    out: &'a mut Output,
    names: &'a mut Vec<u8>,
    rows: &'a Rows,
    columns: u8,
}

/// Write all rows into `out`, and the names of the columns, one a line, into `names`.
pub fn write(rows: &Rows, peers: &Peers, out: &mut Output, names: &mut Vec<u8>) {
    out.clear();
    names.clear();
    out.put(&[0]); // the number of columns, which is below 128: one octet
    out.varint(rows.count as u64);
    let mut writer = Writer { out, names, rows, columns: 0 };
    writer.order();
    writer.peer(peers);
    writer.destination();
    writer.attributes();
    let columns = writer.columns;
    out.set_first(columns);
}

impl<'a> Writer<'a> {
    fn order(&mut self) {
        let groups = &self.rows.groups;
        self.column("received", MOMENT);
        self.runs(&groups.received, |received| received.to_le_bytes());
        self.column("sequence", "UInt64");
        let mut filler = self.filler(self.rows.count * 8);
        for (rows, sequence) in groups.rows.iter().zip(&groups.sequence) {
            for row in 0..u64::from(*rows) {
                filler.one((sequence + row).to_le_bytes());
            }
        }
        self.column("time", "Nullable(DateTime64(9, 'UTC'))");
        self.repeat(&groups.time, |time| [u8::from(*time == 0)]);
        self.repeat(&groups.time, |time| time.to_le_bytes());
    }

    fn peer(&mut self, peers: &Peers) {
        let groups = &self.rows.groups;
        self.column("epoch", MOMENT);
        self.runs(&groups.peer, |peer| peers.get(*peer).epoch.to_le_bytes());
        self.column("peer_as", MAYBE_NUMBER);
        self.out.room(self.rows.count).fill(0);
        self.runs(&groups.peer, |peer| peers.get(*peer).peer_as.to_le_bytes());
        for (index, name) in PEER_COLUMNS.iter().enumerate() {
            let texts = peers.names(index);
            if texts.count() > 1 {
                let width = self.dictionary(name, texts);
                self.shared(width, &groups.peer, |peer| peers.get(*peer).names[index]);
            }
        }
        let flags = &groups.flags;
        self.few("kind", &[b"withdraw", b"announce"], flags, |f| 1 + u32::from(f & ANNOUNCED != 0));
        self.few("provenance", &[b"live", b"dump"], flags, |f| 1 + u32::from(f & DUMPED != 0));
        self.few("family", &FAMILIES, &groups.family, |family| u32::from(*family) + 1);
        if flags.iter().any(|flags| flags & ODD != 0) {
            self.warnings();
        }
    }

    /// Whether the families used ADD-PATH as negotiated is all that can be odd here.
    fn warnings(&mut self) {
        self.column("warnings", TEXTS);
        let mut odd = Texts::default();
        odd.push(b"add-path-not-as-negotiated");
        self.out.word(DICTIONARY_VERSION);
        let total = self.offsets(&self.rows.groups.flags, |flags| usize::from(flags & ODD != 0));
        self.keys(&odd, total);
        self.filler(total).times([1], total as u32);
    }

    fn destination(&mut self) {
        let rows = self.rows;
        let (groups, found) = (&rows.groups, &rows.destinations);
        self.column("address", "IPv6");
        let mut filler = self.filler(found.address.len() * 16);
        for address in &found.address {
            filler.one(*address);
        }
        self.column("length", "UInt8");
        self.out.put(&found.length);
        if groups.flags.iter().any(|flags| flags & ADD_PATH != 0) {
            self.column("path_id", MAYBE_NUMBER);
            self.runs(&groups.flags, |flags| [u8::from(flags & ADD_PATH == 0)]);
            let mut values = found.path_id.iter();
            self.some(
                |group| groups.flags[group] & ADD_PATH != 0,
                || values.next().unwrap_or(&0).to_le_bytes(),
            );
        }
        if groups.family.iter().any(|family| has_rd(*family)) {
            self.rds();
        }
        if !found.labels.is_empty() {
            self.labels();
        }
    }

    fn rds(&mut self) {
        self.column("rd", TEXT);
        self.out.word(DICTIONARY_VERSION);
        let rows = self.rows;
        let width = self.keys(rows.dictionaries.rd.texts(), rows.count);
        let mut places = rows.destinations.rd.iter();
        let mut place = || *places.next().unwrap_or(&0);
        let has = |group: usize| has_rd(rows.groups.family[group]);
        match width {
            1 => self.some(has, || [place() as u8]),
            2 => self.some(has, || (place() as u16).to_le_bytes()),
            _ => self.some(has, || place().to_le_bytes()),
        }
    }

    fn labels(&mut self) {
        self.column("labels", "Array(UInt32)");
        let rows = self.rows;
        let found = &rows.destinations;
        let mut counts = found.label_counts.iter();
        let mut total = 0u64;
        let mut filler = self.filler(rows.count * 8);
        for (rows, family) in rows.groups.rows.iter().zip(&rows.groups.family) {
            for _ in 0..*rows {
                let count = if has_labels(*family) { counts.next() } else { None };
                total += u64::from(*count.unwrap_or(&0));
                filler.one(total.to_le_bytes());
            }
        }
        let mut filler = self.filler(found.labels.len() * 4);
        for label in &found.labels {
            filler.one(label.to_le_bytes());
        }
    }

    fn attributes(&mut self) {
        let rows = self.rows;
        let (groups, found) = (&rows.groups, &rows.dictionaries);
        let texts = found.next_hop.texts();
        self.some_texts("next_hop", texts, &groups.next_hop, |place| *place);
        self.path();
        let origins: [&[u8]; 3] = [b"igp", b"egp", b"incomplete"];
        self.few("origin", &origins, &groups.origin, |origin| u32::from(*origin));
        self.numbers("med", &groups.med);
        self.numbers("local_pref", &groups.local_pref);
        let texts = found.communities.texts();
        self.some_texts("communities_text", texts, &groups.communities, |place| *place);
        if rows.rare.len() > 1 {
            self.rare();
        }
    }

    fn path(&mut self) {
        let rows = self.rows;
        let places = &rows.groups.as_path;
        self.some_texts("as_path_text", rows.dictionaries.as_path.texts(), places, |place| *place);
        let origin = |place: &u32| rows.origins[*place as usize];
        if rows.origins.iter().any(Option::is_some) {
            self.column("origin_as", MAYBE_NUMBER);
            self.repeat(places, |place| [u8::from(origin(place).is_none())]);
            self.repeat(places, |place| origin(place).unwrap_or(0).to_le_bytes());
        }
    }

    /// Columns that most blocks have little of.
    fn rare(&mut self) {
        let rows = self.rows;
        let (places, found, all) = (&rows.groups.rare, &rows.dictionaries, &rows.rare);
        let of = |place: &u32| &all[*place as usize];
        if all.iter().any(|rare| rare.atomic_aggregate) {
            self.column("atomic_aggregate", "Bool");
            self.repeat(places, |place| [u8::from(of(place).atomic_aggregate)]);
        }
        let texts = found.aggregator.texts();
        self.some_texts("aggregator", texts, places, |place| of(place).aggregator);
        let texts = found.originator_id.texts();
        self.some_texts("originator_id", texts, places, |place| of(place).originator_id);
        let texts = found.ext_communities.texts();
        self.some_texts("ext_communities_text", texts, places, |p| of(p).ext_communities);
        let texts = found.large_communities.texts();
        self.some_texts("large_communities_text", texts, places, |p| of(p).large_communities);
        let texts = found.cluster_list.texts();
        self.some_texts("cluster_list_text", texts, places, |place| of(place).cluster_list);
        if all.iter().any(|rare| rare.unknown_count > 0) {
            self.column("unknown_attributes", "Array(String)");
            self.offsets(places, |place| of(place).unknown_count as usize);
            for (count, place) in rows.groups.rows.iter().zip(places) {
                let (start, end) = of(place).unknown;
                for _ in 0..*count {
                    self.out.put(&rows.texts[start as usize..end as usize]);
                }
            }
        }
    }

    // Kinds of columns

    fn column(&mut self, name: &str, kind: &str) {
        self.out.string(name.as_bytes());
        self.out.string(kind.as_bytes());
        self.names.extend_from_slice(name.as_bytes());
        self.names.push(b'\n');
        self.columns += 1;
    }

    fn filler(&mut self, octets: usize) -> Filler<'_> {
        Filler::new(self.out.room(octets))
    }

    /// A value of each group, for all of its rows.
    fn repeat<T, const N: usize>(&mut self, values: &[T], get: impl Fn(&T) -> [u8; N]) {
        let rows = self.rows;
        let mut filler = self.filler(rows.count * N);
        for (count, value) in rows.groups.rows.iter().zip(values) {
            filler.times(get(value), *count);
        }
    }

    /// The same for values that many groups in a row share.
    fn runs<T: PartialEq, const N: usize>(&mut self, values: &[T], get: impl Fn(&T) -> [u8; N]) {
        let rows = self.rows;
        let mut filler = self.filler(rows.count * N);
        let mut each = rows.groups.rows.iter().zip(values);
        let (mut run, mut shared) = match each.next() {
            Some((count, value)) => (*count, value),
            None => return,
        };
        for (count, value) in each {
            if value != shared {
                filler.times(get(shared), run);
                run = 0;
                shared = value;
            }
            run += *count;
        }
        filler.times(get(shared), run);
    }

    /// A value of each row of those groups that have them, else zero.
    fn some<const N: usize>(
        &mut self,
        has: impl Fn(usize) -> bool,
        mut get: impl FnMut() -> [u8; N],
    ) {
        let rows = self.rows;
        let mut filler = self.filler(rows.count * N);
        for (group, count) in rows.groups.rows.iter().enumerate() {
            if has(group) {
                for _ in 0..*count {
                    filler.one(get());
                }
            } else {
                filler.times([0; N], *count);
            }
        }
    }

    fn numbers(&mut self, name: &str, values: &[Option<u32>]) {
        if values.iter().all(Option::is_none) {
            return;
        }
        self.column(name, MAYBE_NUMBER);
        self.repeat(values, |value| [u8::from(value.is_none())]);
        self.repeat(values, |value| value.unwrap_or(0).to_le_bytes());
    }

    /// The same, but left out where there is no text.
    fn some_texts<T>(&mut self, name: &str, texts: &Texts, values: &[T], get: impl Fn(&T) -> u32) {
        if texts.count() > 1 {
            self.texts(name, texts, values, get);
        }
    }

    /// A column of a few fixed texts; 0 is the empty one.
    fn few<T: PartialEq>(
        &mut self,
        name: &str,
        known: &[&[u8]],
        values: &[T],
        get: impl Fn(&T) -> u32,
    ) {
        let mut texts = Texts::default();
        for text in known {
            texts.push(text);
        }
        let width = self.dictionary(name, &texts);
        self.shared(width, values, get);
    }

    /// Places that many groups in a row share.
    fn shared<T: PartialEq>(&mut self, width: usize, values: &[T], get: impl Fn(&T) -> u32) {
        match width {
            1 => self.runs(values, |value| [get(value) as u8]),
            2 => self.runs(values, |value| (get(value) as u16).to_le_bytes()),
            _ => self.runs(values, |value| get(value).to_le_bytes()),
        }
    }

    fn texts<T>(&mut self, name: &str, texts: &Texts, values: &[T], get: impl Fn(&T) -> u32) {
        match self.dictionary(name, texts) {
            1 => self.repeat(values, |value| [get(value) as u8]),
            2 => self.repeat(values, |value| (get(value) as u16).to_le_bytes()),
            _ => self.repeat(values, |value| get(value).to_le_bytes()),
        }
    }

    /// A column of texts up to its places; their width.
    fn dictionary(&mut self, name: &str, texts: &Texts) -> usize {
        self.column(name, TEXT);
        self.out.word(DICTIONARY_VERSION);
        self.keys(texts, self.rows.count)
    }

    /// The dictionary of a LowCardinality column and the count of its places; their width.
    fn keys(&mut self, texts: &Texts, places: usize) -> usize {
        let (width, code) = match texts.count() {
            0..=0x100 => (1, 0),
            0x101..=0x1_0000 => (2, 1),
            _ => (4, 2),
        };
        self.out.word(OWN_KEYS | code);
        self.out.word(u64::from(texts.count()));
        self.out.put(texts.octets());
        self.out.word(places as u64);
        width
    }

    /// The ends of each row's array; the elements in all.
    fn offsets<T>(&mut self, values: &[T], get: impl Fn(&T) -> usize) -> usize {
        let rows = self.rows;
        let mut total = 0u64;
        let mut filler = self.filler(rows.count * 8);
        for (rows, value) in rows.groups.rows.iter().zip(values) {
            let count = get(value) as u64;
            for _ in 0..*rows {
                total += count;
                filler.one(total.to_le_bytes());
            }
        }
        total as usize
    }
}
