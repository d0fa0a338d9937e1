//! Lines of `pg_hba.conf`.

use crate::postgres::role::{Account, AuthMethod};

/// Who is let in besides the keeper's own roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Everybody the rules of the cluster spec let in.
    Open,
    /// Nobody: the instance is being made, or waits for its synchronous standbys.
    Internal,
}

/// Where the keeper's own roles may come from over the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Peers {
    /// From everywhere.
    All,
    /// From these addresses only; empty ones, of dbs that have not reported yet, are skipped.
    Only(Vec<String>),
}

/// What `pg_hba.conf` is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hba {
    /// Name and method of the superuser.
    pub superuser: (String, AuthMethod),
    /// Name and method of the replication role.
    pub replication: (String, AuthMethod),
    /// Where these two may come from.
    pub peers: Peers,
    /// The rules of the spec for everybody else; `None` for the default ones, which differs from an empty list.
    pub rules: Option<Vec<String>>,
}

impl Hba {
    /// The material for these accounts.
    pub fn new(
        superuser: &Account,
        replication: &Account,
        peers: Peers,
        rules: Option<Vec<String>>,
    ) -> Self {
        Self {
            superuser: (superuser.name.clone(), superuser.method),
            replication: (replication.name.clone(), replication.method),
            peers,
            rules,
        }
    }

    /// The lines, in the order in which PostgreSQL tries them.
    pub fn lines(&self, access: Access) -> Vec<String> {
        let (su, su_method) = (name(&self.superuser.0), self.superuser.1);
        let (repl, repl_method) = (name(&self.replication.0), self.replication.1);
        let mut lines = vec![
            format!("local postgres {su} {su_method}"),
            format!("local replication {repl} {repl_method}"),
        ];
        match &self.peers {
            Peers::All => lines.extend([
                format!("host all {su} 0.0.0.0/0 {su_method}"),
                format!("host all {su} ::0/0 {su_method}"),
                format!("host replication {repl} 0.0.0.0/0 {repl_method}"),
                format!("host replication {repl} ::0/0 {repl_method}"),
            ]),
            Peers::Only(addresses) => {
                let mut addresses: Vec<&String> =
                    addresses.iter().filter(|address| !address.is_empty()).collect();
                addresses.sort_unstable();
                for address in addresses {
                    let network = network(address);
                    // The superuser's line has the method of the replication role: so it is in Stolon, and keepers of one
                    // cluster must agree.
                    lines.push(format!("host all {su} {network} {repl_method}"));
                    lines.push(format!("host replication {repl} {network} {repl_method}"));
                }
            }
        }
        if access == Access::Open {
            match &self.rules {
                None => lines.extend([
                    "host all all 0.0.0.0/0 md5".to_owned(),
                    "host all all ::0/0 md5".to_owned(),
                ]),
                Some(rules) => lines.extend(rules.iter().cloned()),
            }
        }
        lines
    }
}

/// A network of one address. A host name stands for itself: PostgreSQL takes no mask with it.
fn network(address: &str) -> String {
    match address.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V4(_)) => format!("{address}/32"),
        Ok(std::net::IpAddr::V6(_)) => format!("{address}/128"),
        Err(_) => address.to_owned(),
    }
}

/// A role's name as the file needs it: quoted where it would otherwise be read as something else.
fn name(role: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b'$');
    let keyword = matches!(role, "all" | "replication" | "sameuser" | "samerole" | "samegroup");
    if !role.is_empty() && role.bytes().all(plain) && !keyword {
        role.to_owned()
    } else {
        format!("\"{}\"", role.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hba(peers: Peers, rules: Option<Vec<String>>) -> Hba {
        Hba {
            superuser: ("stolon".to_owned(), AuthMethod::Trust),
            replication: ("repluser".to_owned(), AuthMethod::Md5),
            peers,
            rules,
        }
    }

    const OWN: [&str; 6] = [
        "local postgres stolon trust",
        "local replication repluser md5",
        "host all stolon 0.0.0.0/0 trust",
        "host all stolon ::0/0 trust",
        "host replication repluser 0.0.0.0/0 md5",
        "host replication repluser ::0/0 md5",
    ];

    #[test]
    fn default_rules() {
        let lines = hba(Peers::All, None).lines(Access::Open);
        assert_eq!(lines[..6], OWN);
        assert_eq!(lines[6..], ["host all all 0.0.0.0/0 md5", "host all all ::0/0 md5"]);
    }

    #[test]
    fn no_rules_differ_from_default_rules() {
        assert_eq!(hba(Peers::All, Some(Vec::new())).lines(Access::Open), OWN);
        let rules = Some(vec!["host all all 10.0.0.0/8 scram-sha-256".to_owned()]);
        assert_eq!(
            hba(Peers::All, rules).lines(Access::Open)[6..],
            ["host all all 10.0.0.0/8 scram-sha-256"]
        );
    }

    #[test]
    fn internal_leaves_users_out() {
        assert_eq!(hba(Peers::All, None).lines(Access::Internal), OWN);
    }

    #[test]
    fn go_defect_strict_hba_of_empty_and_ipv6_addresses() {
        let addresses =
            ["10.0.0.2", "", "fd00::1", "10.0.0.1", "db.example"].map(str::to_owned).to_vec();
        assert_eq!(
            hba(Peers::Only(addresses), None).lines(Access::Internal)[2..],
            [
                "host all stolon 10.0.0.1/32 md5",
                "host replication repluser 10.0.0.1/32 md5",
                "host all stolon 10.0.0.2/32 md5",
                "host replication repluser 10.0.0.2/32 md5",
                "host all stolon db.example md5",
                "host replication repluser db.example md5",
                "host all stolon fd00::1/128 md5",
                "host replication repluser fd00::1/128 md5",
            ]
        );
    }

    #[test]
    fn odd_names_are_quoted() {
        assert_eq!(name("repl user"), "\"repl user\"");
        assert_eq!(name("all"), "\"all\"");
        assert_eq!(name("a\"b"), "\"a\"\"b\"");
        assert_eq!(name("my-user_1"), "my-user_1");
    }
}
