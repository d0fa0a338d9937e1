//! Instructions, and allocations by the calls of the allocator.

use crate::{LONG, MESSAGE, SHORT, carrier, per_exchange};

const ALLOCATORS: [&str; 5] = ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"];

#[test]
fn nothing_is_allocated_for_a_message() {
    let (short, long) = (Profile::of(SHORT), Profile::of(LONG));
    // An exchange is two messages.
    let instructions = per_exchange(short.instructions, long.instructions) / 2.0;
    let allocations = per_exchange(short.allocations, long.allocations) / 2.0;
    println!("{instructions:8.0} instructions in user space for a message of {MESSAGE} bytes");
    println!("{allocations:8.4} allocations for a message of {MESSAGE} bytes");
    assert!(short.allocations > 100, "the calls of the allocator are not in the profile");
    // The figure is a whole number but for what happens by the clock.
    assert!(allocations.abs() < 0.01, "{allocations} allocations for a message");
}

/// What callgrind says of a process.
struct Profile {
    instructions: u64,
    allocations: u64,
}

impl Profile {
    /// The profile of a process that carries so many exchanges.
    fn of(exchanges: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("profile");
        let out = format!("--callgrind-out-file={}", file.display());
        let options = ["--tool=callgrind", "--compress-strings=no", "--compress-pos=no", &out];
        carrier::carry(&[&["valgrind"][..], &options].concat(), exchanges);
        let text = std::fs::read_to_string(&file).expect("the profile of callgrind");
        Self::read(&text).unwrap_or_else(|| panic!("no profile of callgrind"))
    }

    /// Reads callgrind's own format: `totals: <instructions>`, and for each edge of the call graph the callee on a line
    /// `cfn=<name>` with `calls=<number> <position>` after it.
    fn read(text: &str) -> Option<Self> {
        let mut profile = Self { instructions: 0, allocations: 0 };
        let mut is_allocator = false;
        for line in text.lines() {
            if let Some(callee) = line.strip_prefix("cfn=") {
                // A recursive function has a number after an apostrophe.
                let name = callee.split('\'').next().unwrap_or(callee);
                is_allocator = ALLOCATORS.contains(&name);
            } else if let Some(calls) = line.strip_prefix("calls=")
                && is_allocator
            {
                profile.allocations += calls.split(' ').next()?.parse::<u64>().ok()?;
            } else if let Some(totals) = line.strip_prefix("totals: ") {
                profile.instructions = totals.trim().parse().ok()?;
            }
        }
        (profile.instructions > 0).then_some(profile)
    }
}
