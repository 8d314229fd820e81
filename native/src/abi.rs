//! The C ABI, for ctypes: the only unsafe code. A panic becomes an error code.

use crate::decode::decoder::{count_frames, Decoder, Stop};
use crate::decode::output::Output;
use crate::decode::peers::NAMES;
use crate::decode::reader::Reader;
use crate::decode::watch::Watch;
use std::panic::{catch_unwind, AssertUnwindSafe};
use std::sync::{Arc, Mutex};

/// Raised with every change of a signature or of a meaning.
const VERSION: u32 = 4;
const FAULT: i32 = -1;

/// Memory of blocks that were given back, to be used again.
type Spare = Arc<Mutex<Vec<(Output, Vec<u8>)>>>;

pub struct Core {
    decoder: Decoder,
    spare: Spare,
}

/// A block that Python looks at until it gives it back.
pub struct Block {
    octets: Output,
    names: Vec<u8>,
    home: Spare,
}

#[repr(C)]
pub struct Taken {
    octets: *const u8,
    length: usize,
    names: *const u8,
    names_length: usize,
    rows: usize,
    /// Since 1970, of all rows.
    day: i64,
}

#[repr(C)]
pub struct Counted {
    messages: u64,
    announced: u64,
    withdrawn: u64,
    trailing: u64,
    odd: u64,
}

fn guard(work: impl FnOnce() -> i32) -> i32 {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(FAULT)
}

unsafe fn octets<'a>(data: *const u8, length: usize) -> &'a [u8] {
    if length == 0 {
        return &[];
    }
    unsafe { std::slice::from_raw_parts(data, length) }
}

#[no_mangle]
pub extern "C" fn aw_version() -> u32 {
    VERSION
}

/// A decoder that wants its block taken from `max_rows` rows or about `max_octets` octets on.
#[no_mangle]
pub extern "C" fn aw_new(max_rows: usize, max_octets: usize) -> *mut Core {
    let decoder = Decoder::new(max_rows, max_octets);
    Box::into_raw(Box::new(Core { decoder, spare: Spare::default() }))
}

/// # Safety
/// `core` comes from `aw_new` and is not used again.
#[no_mangle]
pub unsafe extern "C" fn aw_free(core: *mut Core) {
    drop(unsafe { Box::from_raw(core) });
}

/// Watch these prefixes: 17 octets each, address and length.
///
/// # Safety
/// `core` comes from `aw_new`; `data` is readable for `length` octets.
#[no_mangle]
pub unsafe extern "C" fn aw_watch(core: *mut Core, data: *const u8, length: usize) -> i32 {
    let (core, data) = unsafe { (&mut *core, octets(data, length)) };
    guard(|| {
        let each = data.chunks_exact(17).map(|one| {
            let mut address = [0; 16];
            address.copy_from_slice(&one[..16]);
            (address, one[16])
        });
        core.decoder.watch = Watch::new(each);
        0
    })
}

/// How to read the messages of one peer.
#[repr(C)]
pub struct Told {
    key: *const u8,
    key_length: usize,
    /// Each behind its length, which has four octets.
    names: *const u8,
    names_length: usize,
    epoch: i64,
    peer_as: u32,
    as4: u8,
    /// Families with path ids, as bits.
    add_path: u8,
    /// Families whose initial table is not complete, as bits.
    dumping: u8,
}

/// # Safety
/// `core` comes from `aw_new`; `told` and its pointers are readable.
#[no_mangle]
pub unsafe extern "C" fn aw_peer(core: *mut Core, told: *const Told) -> i32 {
    let (core, told) = unsafe { (&mut *core, &*told) };
    let key = unsafe { octets(told.key, told.key_length) };
    let names = unsafe { octets(told.names, told.names_length) };
    guard(|| {
        let mut each = Reader::new(names);
        let mut texts: [&[u8]; NAMES] = [&[]; NAMES];
        for text in &mut texts {
            match each.u32().and_then(|length| each.take(length as usize)) {
                Ok(name) => *text = name,
                Err(_) => return FAULT,
            }
        }
        let flags = [told.as4, told.add_path, told.dumping];
        core.decoder.peers.add(key, texts, told.peer_as, told.epoch, flags);
        0
    })
}

/// # Safety
/// `core` comes from `aw_new`; `key` is readable for `length` octets.
#[no_mangle]
pub unsafe extern "C" fn aw_forget(core: *mut Core, key: *const u8, length: usize) -> i32 {
    let (core, key) = unsafe { (&mut *core, octets(key, length)) };
    guard(|| {
        core.decoder.peers.forget(key);
        0
    })
}

/// When a route of the peer's initial table last came, ns; 0 where none did.
///
/// # Safety
/// `core` comes from `aw_new`; `key` is readable for `length` octets.
#[no_mangle]
pub unsafe extern "C" fn aw_last_dumped(core: *const Core, key: *const u8, length: usize) -> i64 {
    let (core, key) = unsafe { (&*core, octets(key, length)) };
    core.decoder.peers.by_key(key).map_or(0, |peer| peer.last_dumped)
}

/// How far decoding went.
#[repr(C)]
pub struct Done {
    octets: usize,
    rows: usize,
    /// Seconds since 1970 in the header of the last MRT record.
    seconds: i64,
}

/// Read BMP messages that were received at a time (ns), or MRT records where that is negative;
/// why it stopped, or -1 after a fault of ours.
///
/// # Safety
/// `core` comes from `aw_new` and is used by one thread at a time; `data` is readable for `length`
/// octets; `done` can be written.
#[no_mangle]
pub unsafe extern "C" fn aw_decode(
    core: *mut Core,
    data: *const u8,
    length: usize,
    received: i64,
    sequence: u64,
    done: *mut Done,
) -> i32 {
    let (core, data) = unsafe { (&mut *core, octets(data, length)) };
    let before = core.decoder.rows.count;
    let mut read = 0;
    let status = guard(|| {
        let (octets, stop) = if received < 0 {
            core.decoder.decode_mrt(data, sequence)
        } else {
            core.decoder.decode(data, received, sequence)
        };
        read = octets;
        match stop {
            Stop::More => 0,
            Stop::Declined => 1,
            Stop::Full => 2,
            Stop::Broken => 3,
        }
    });
    unsafe {
        *done = Done {
            octets: read,
            rows: core.decoder.rows.count - before,
            seconds: core.decoder.seconds,
        };
    }
    status
}

/// Rows that wait to be taken.
///
/// # Safety
/// `core` comes from `aw_new`.
#[no_mangle]
pub unsafe extern "C" fn aw_pending(core: *const Core) -> usize {
    unsafe { &*core }.decoder.rows.count
}

/// What was read since the last call.
///
/// # Safety
/// `core` comes from `aw_new`; `counted` can be written.
#[no_mangle]
pub unsafe extern "C" fn aw_counts(core: *mut Core, counted: *mut Counted) {
    let counts = std::mem::take(&mut unsafe { &mut *core }.decoder.counts);
    unsafe {
        *counted = Counted {
            messages: counts.messages,
            announced: counts.announced,
            withdrawn: counts.withdrawn,
            trailing: counts.trailing,
            odd: counts.odd,
        };
    }
}

/// The rows that wait, as a block to be given back with `aw_release`; null after a fault.
///
/// # Safety
/// `core` comes from `aw_new` and is used by one thread at a time; `taken` can be written.
#[no_mangle]
pub unsafe extern "C" fn aw_take(core: *mut Core, taken: *mut Taken) -> *mut Block {
    let core = unsafe { &mut *core };
    let made = catch_unwind(AssertUnwindSafe(|| {
        let spare = core.spare.lock().ok().and_then(|mut spare| spare.pop());
        let (mut octets, mut names) = spare.unwrap_or_default();
        let day = core.decoder.day();
        let rows = core.decoder.take(&mut octets, &mut names);
        (rows, day, Box::new(Block { octets, names, home: Arc::clone(&core.spare) }))
    }));
    let (rows, day, block) = match made {
        Ok(made) => made,
        Err(_) => return std::ptr::null_mut(),
    };
    unsafe {
        *taken = Taken {
            octets: block.octets.octets().as_ptr(),
            length: block.octets.octets().len(),
            names: block.names.as_ptr(),
            names_length: block.names.len(),
            rows,
            day,
        };
    }
    Box::into_raw(block)
}

/// Give a block back, from any thread; what pointed into it may not be used any more.
///
/// # Safety
/// `block` comes from `aw_take` and is not used again.
#[no_mangle]
pub unsafe extern "C" fn aw_release(block: *mut Block) {
    let Block { octets, names, home } = *unsafe { Box::from_raw(block) };
    if let Ok(mut spare) = home.lock() {
        if spare.len() < 2 {
            spare.push((octets, names));
        }
    };
}

/// Whole messages in the data, read no further than their headers.
///
/// # Safety
/// `data` is readable for `length` octets.
#[no_mangle]
pub unsafe extern "C" fn aw_count_frames(data: *const u8, length: usize) -> usize {
    count_frames(unsafe { octets(data, length) })
}
