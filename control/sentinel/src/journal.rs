//! Telling why things were decided: one line when a reason begins to hold, none while it lasts.

use crate::metrics;
use serde_json::Value;
use stolon_daemon::log::json;
use stolon_model::decide::{Level, Reason};
use tracing::{debug, error, info, warn};

/// What the last pass said.
#[derive(Debug, Default)]
pub struct Journal {
    reasons: Vec<Reason>,
    trouble: Option<Reason>,
}

impl Journal {
    /// A pass came to its end with `reasons`: tells those that the last one did not have.
    pub fn tell(&mut self, reasons: Vec<Reason>) {
        for reason in self.news(&reasons) {
            metrics::decision(reason);
            write(reason);
        }
        self.reasons = reasons;
    }

    fn news<'r>(&self, reasons: &'r [Reason]) -> Vec<&'r Reason> {
        let is_known = |reason: &Reason| self.reasons.iter().any(|known| known.repeats(reason));
        reasons.iter().filter(|reason| !is_known(reason)).collect()
    }

    /// A pass went through without trouble.
    pub fn recover(&mut self) {
        if self.trouble.take().is_some() {
            info!("the sentinel works again");
        }
    }

    /// A pass came to no end because of `trouble`. What the last good one said still stands.
    pub fn fail(&mut self, trouble: Reason) {
        if self.trouble.as_ref().is_none_or(|known| !known.repeats(&trouble)) {
            write(&trouble);
        }
        self.trouble = Some(trouble);
    }
}

/// One event with whichever of the fields the reason has: the names are those of the reference, in an order that suits all
/// messages.
macro_rules! event {
    ($level:ident, $reason:expr) => {{
        let field = |name: &str| {
            let found = $reason.fields.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| Shown(value)).map(tracing::field::display)
        };
        $level!(
            version = field("version"),
            receivedDB = field("receivedDB"),
            masterDB = field("masterDB"),
            synchronousStandbyDB = field("synchronousStandbyDB"),
            db = field("db"),
            keeper = field("keeper"),
            dbXLogPos = field("dbXLogPos"),
            masterXLogPos = field("masterXLogPos"),
            proxies = field("proxies"),
            requiredWAL = field("requiredWAL"),
            olderMasterWAL = field("olderMasterWAL"),
            dbSystemdID = field("dbSystemdID"),
            masterSystemID = field("masterSystemID"),
            dbTimeline = field("dbTimeline"),
            masterTimeline = field("masterTimeline"),
            followedTimeline = field("followedTimeline"),
            followedXlogpos = field("followedXlogpos"),
            timeline = field("timeline"),
            xlogpos = field("xlogpos"),
            reported = field("reported"),
            spec = field("spec"),
            common = field("common"),
            possibleMasters = field("possibleMasters"),
            prevSynchronousStandbys = field("prevSynchronousStandbys"),
            inSyncStandbys = field("inSyncStandbys"),
            synchronousStandbys = field("synchronousStandbys"),
            required = field("required"),
            key = field("key"),
            violations = field("violations"),
            error = field("error"),
            "{}",
            $reason.message
        )
    }};
}

fn write(reason: &Reason) {
    match reason.level {
        Level::Debug => event!(debug, reason),
        Level::Info => event!(info, reason),
        Level::Warn => event!(warn, reason),
        Level::Error => event!(error, reason),
    }
}

/// A field's value: text as it is, anything else as JSON.
struct Shown<'a>(&'a Value);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Value::String(text) => f.write_str(text),
            value => std::fmt::Display::fmt(&json(value), f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lag(db: &str, lsn: u64) -> Reason {
        Reason::info("lag", "too far behind").with("db", db).with("dbXLogPos", lsn)
    }

    #[test]
    fn a_reason_that_lasts_is_told_once_however_its_numbers_move() {
        let mut journal = Journal::default();
        let first = [lag("a", 1)];
        assert_eq!(journal.news(&first), [&first[0]]);
        journal.tell(first.to_vec());
        let second = [lag("a", 2), lag("b", 2)];
        assert_eq!(journal.news(&second), [&second[1]]);
        journal.tell(Vec::new());
        assert_eq!(journal.news(&second).len(), 2);
    }

    #[test]
    fn trouble_leaves_what_is_known_in_place() {
        let mut journal = Journal::default();
        journal.tell(vec![lag("a", 1)]);
        journal.fail(Reason::error("store_error", "the store is away"));
        assert!(journal.news(&[lag("a", 3)]).is_empty());
        journal.recover();
        assert!(journal.trouble.is_none());
    }

    #[test]
    fn values_are_text_or_json() {
        let shown = |value: Value| Shown(&value).to_string();
        assert_eq!(shown(Value::from("db1")), "db1");
        assert_eq!(shown(Value::from(vec!["a", "b"])), r#"["a", "b"]"#);
        assert_eq!(shown(serde_json::json!({"a": {}})), r#"{"a":{}}"#);
    }
}
