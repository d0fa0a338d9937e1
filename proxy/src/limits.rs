//! What there may be at most of: connections, held connections, refusals in progress. Counted over all threads.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// A number of places.
#[derive(Clone, Debug)]
pub struct Limit {
    taken: Arc<AtomicUsize>,
    most: usize,
}

impl Limit {
    /// `most` places.
    pub fn new(most: usize) -> Self {
        Self { taken: Arc::default(), most }
    }

    /// How many places there are.
    pub fn most(&self) -> usize {
        self.most
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    /// A place, if one is free.
    pub fn take(&self) -> Option<Place> {
        let place = Place(Arc::clone(&self.taken));
        // The place is counted before the check, so that its drop gives it back in either case.
        let before = self.taken.fetch_add(1, Ordering::Relaxed);
        (before < self.most).then_some(place)
    }
}

/// A taken place; dropping it frees it.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many connections fit into `open_files` descriptors: two each, after what the rest of the process needs.
pub fn connections_within(open_files: u64) -> usize {
    let spare = (open_files / 16).clamp(32, 1024);
    usize::try_from(open_files.saturating_sub(spare) / 2).unwrap_or(usize::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_run_out_and_come_back() {
        let limit = Limit::new(1);
        let place = limit.take();
        assert!(place.is_some());
        assert!(limit.take().is_none());
        assert!(limit.take().is_none());
        drop(place);
        assert!(limit.take().is_some());
    }

    #[test]
    fn descriptors_decide_how_many_connections_fit() {
        assert_eq!(connections_within(256), 112);
        assert_eq!(connections_within(20_000), 9_488);
        assert_eq!(connections_within(8), 1);
    }
}
