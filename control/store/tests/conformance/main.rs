//! One suite for every store: each scenario runs on the store in memory and on a real etcd, so that what is tested on the
//! first can be believed of the second. A missing etcd is a failure.

#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "what a scenario unwraps, it asserts"
)]

mod clusters;
mod elections;
mod etcd_faults;
mod etcd_network;
mod etcd_server;
mod etcd_tls;
mod gateway;
mod keys;
mod leases;
mod memory_faults;
mod publishing;
mod watches;
mod world;

/// Makes two tests of each scenario.
macro_rules! scenarios {
    ($($module:ident: $($name:ident),+ $(,)?;)+) => {
        mod memory {
            $(mod $module { $(
                #[tokio::test]
                async fn $name() {
                    crate::$module::$name(crate::world::World::memory()).await;
                }
            )+ })+
        }
        mod etcd {
            $(mod $module { $(
                #[tokio::test]
                async fn $name() {
                    crate::$module::$name(crate::world::World::etcd().await).await;
                }
            )+ })+
        }
    };
}

scenarios! {
    keys: a_missing_key_is_none, a_put_key_reads_back, swaps_compare_the_revision, of_many_swaps_one_wins,
        a_key_made_again_is_another_one, a_listing_has_the_prefix_only, a_swap_as_leader_needs_the_leader_key;
    leases: keys_end_with_their_lease, a_revoked_lease_takes_its_keys, a_gone_lease_says_so,
        a_lease_tells_what_is_left_of_it,
        a_put_without_lease_frees_the_key, a_kept_lease_outlives_its_ttl, a_kept_lease_tells_its_end;
    watches: a_watch_tells_of_its_key_alone, a_watch_tells_of_an_expiry, a_prefix_watch_tells_of_all,
        a_burst_is_told_until_its_end, a_wake_stream_wakes_at_once;
    clusters: cluster_data_reads_back, garbage_is_an_error_that_names_the_key, a_bad_info_hides_no_good_one,
        a_plain_put_overrides;
    elections: a_lone_candidate_leads, candidates_lead_in_the_order_they_came, go_defect_leader_key_left_at_exit,
        a_revoked_leader_is_elected_again, a_deleted_leader_key_ends_the_leadership, a_waiting_candidate_may_leave,
        a_zombie_writes_nothing, the_oldest_key_leads_whoever_put_it;
    publishing: publications_share_a_lease, a_lost_lease_is_replaced, a_revoked_publisher_leaves_nothing;
}
