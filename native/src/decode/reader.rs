//! The one place that checks bounds: everything from the network is read through a `Reader`.

/// Not an error: the reference decoder in Python reads this message, and says what is odd about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decline;

pub type Read<T> = Result<T, Decline>;

/// A window on a message that only moves forward and never past its end.
#[derive(Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new(data: &'a [u8]) -> Self {
        Reader(data)
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    #[inline]
    pub fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        if count > self.0.len() {
            return Err(Decline);
        }
        let (taken, rest) = self.0.split_at(count);
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    pub fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        self.take(N)?.try_into().map_err(|_| Decline)
    }

    #[inline]
    pub fn u8(&mut self) -> Read<u8> {
        let (first, rest) = self.0.split_first().ok_or(Decline)?;
        self.0 = rest;
        Ok(*first)
    }

    #[inline]
    pub fn u16(&mut self) -> Read<u16> {
        Ok(u16::from_be_bytes(self.array()?))
    }

    #[inline]
    pub fn u32(&mut self) -> Read<u32> {
        Ok(u32::from_be_bytes(self.array()?))
    }
}

/// All of `value` as one array; a value of another size is not what it claims to be.
#[inline]
pub fn exactly<const N: usize>(value: &[u8]) -> Read<[u8; N]> {
    value.try_into().map_err(|_| Decline)
}
