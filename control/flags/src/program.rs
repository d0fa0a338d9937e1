//! What a binary says of itself: its name, its version, the prefix of its environment variables.

/// The version of every binary: `STOLON_VERSION` of the build environment, else the version of the packages.
pub const VERSION: &str = match option_env!("STOLON_VERSION") {
    Some(version) if !version.is_empty() => version,
    _ => env!("CARGO_PKG_VERSION"),
};

/// A binary as its user sees it.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Name of the command, as in `stolon-keeper`.
    pub command: &'static str,
    /// Prefix of its environment variables, as in `STKEEPER`.
    pub env_prefix: &'static str,
    /// What `--version` prints; [`VERSION`].
    pub version: &'static str,
    /// What it is, for the help.
    pub about: &'static str,
    /// Flags that still work and say so.
    pub deprecated: &'static [Deprecated],
}

/// A flag that still works; using it prints a notice, and the help does not show it.
#[derive(Clone, Copy, Debug)]
pub struct Deprecated {
    /// Its name without dashes.
    pub flag: &'static str,
    /// What the notice advises after `Flag --x has been deprecated, `.
    pub advice: &'static str,
    /// The flag it writes; itself unless it is an alias.
    pub writes: &'static str,
}

impl Deprecated {
    /// A flag that is declared in the struct of flags and should no longer be used.
    pub const fn flag(flag: &'static str, advice: &'static str) -> Self {
        Self { flag, advice, writes: flag }
    }

    /// A former name of `writes`; it is not declared in the struct of flags.
    pub const fn alias(flag: &'static str, writes: &'static str, advice: &'static str) -> Self {
        Self { flag, advice, writes }
    }

    /// The notice for the user.
    pub(crate) fn notice(&self) -> String {
        format!("Flag --{} has been deprecated, {}", self.flag, self.advice)
    }
}

impl Program {
    /// The environment variable of a flag.
    pub(crate) fn variable(&self, flag: &str) -> String {
        format!("{}_{}", self.env_prefix, flag.to_ascii_uppercase().replace('-', "_"))
    }

    /// The deprecation of a flag, if it has one.
    pub(crate) fn deprecation(&self, flag: &str) -> Option<&'static Deprecated> {
        self.deprecated.iter().find(|d| d.flag == flag)
    }
}
