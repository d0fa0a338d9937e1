//! Random numbers seeded by the operating system, for uids and jitter. Not for secrets.

use rustix::rand::{GetRandomFlags, getrandom};

/// A generator seeded by the operating system.
pub fn rng() -> fastrand::Rng {
    let mut seed = [0u8; 8];
    match getrandom(&mut seed, GetRandomFlags::empty()) {
        Ok(filled) if filled == seed.len() => fastrand::Rng::with_seed(u64::from_ne_bytes(seed)),
        // A kernel without the call: the crate's own seed comes from the keys the standard library draws for its hash maps.
        _ => fastrand::Rng::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_generators_differ() {
        assert_ne!(rng().u64(..), rng().u64(..));
    }
}
