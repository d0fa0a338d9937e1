//! The rules for a specification (reference, chapter 4.2). Of several broken ones the first counts, in Stolon's order.

use super::{ClusterRole, ClusterSpec, InitMode, PitrConfig, Spec, SuReplAccess};
use crate::quote::quote;

/// A specification breaks a rule. The texts are Stolon's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the text of each is its documentation")]
pub enum SpecError {
    /// Zero is allowed, for all the text says.
    #[error("{0} must be positive")]
    NegativeDuration(&'static str),
    #[error("proxyCheckInterval should be less than proxyTimeout")]
    ProxyCheckInterval,
    #[error("maxStandbys must be at least 1")]
    MaxStandbys,
    #[error("maxStandbysPerSender must be at least 1")]
    MaxStandbysPerSender,
    #[error("maxSynchronousStandbys must be at least 1")]
    MaxSynchronousStandbys,
    #[error("maxSynchronousStandbys must be greater or equal to minSynchronousStandbys")]
    SynchronousStandbysRange,
    #[error("initMode undefined")]
    NoInitMode,
    #[error("wrong replication slot name: {}", quote(.0))]
    SlotName(String),
    #[error("replication slot name is reserved: {}", quote(.0))]
    ReservedSlotName(String),
    #[error("pgHBA entries cannot contain newline characters")]
    PgHbaNewline,
    #[error("invalid cluster role standby when initMode is \"new\"")]
    NewStandbyCluster,
    #[error("existingConfig undefined. Required when initMode is \"existing\"")]
    NoExistingConfig,
    #[error("existingConfig.keeperUID undefined")]
    NoExistingKeeper,
    #[error("pitrConfig undefined. Required when initMode is \"pitr\"")]
    NoPitrConfig,
    #[error("pitrConfig.DataRestoreCommand undefined")]
    NoDataRestoreCommand,
    #[error(
        "cannot define pitrConfig.RecoveryTargetSettings when required cluster role is standby"
    )]
    RecoveryTargetOfStandbyCluster,
    #[error("unknown initMode: {}", quote(.0))]
    UnknownInitMode(String),
    #[error("unknown defaultSUReplAccessMode: {}", quote(.0))]
    UnknownAccessMode(String),
    #[error("standbyConfig undefined. Required when cluster role is \"standby\"")]
    NoStandbyConfig,
    /// Stolon names the init mode here, and so does this.
    #[error("unknown role: {}", quote(.init_mode))]
    UnknownRole { init_mode: String },
}

impl ClusterSpec {
    /// All options, if they obey the rules.
    pub fn validate(&self) -> Result<Spec, SpecError> {
        self.validate_durations()?;
        let spec = self.with_defaults();
        if spec.proxy_check_interval >= spec.proxy_timeout {
            return Err(SpecError::ProxyCheckInterval);
        }
        if spec.max_standbys < 1 {
            return Err(SpecError::MaxStandbys);
        }
        if spec.max_standbys_per_sender < 1 {
            return Err(SpecError::MaxStandbysPerSender);
        }
        if spec.max_synchronous_standbys < 1 {
            return Err(SpecError::MaxSynchronousStandbys);
        }
        if spec.max_synchronous_standbys < spec.min_synchronous_standbys {
            return Err(SpecError::SynchronousStandbysRange);
        }
        let init_mode = self.init_mode.as_deref().ok_or(SpecError::NoInitMode)?;
        spec.additional_master_replication_slots
            .iter()
            .flatten()
            .try_for_each(|name| validate_slot(name))?;
        if spec.pg_hba.iter().flatten().any(|entry| entry.contains('\n')) {
            return Err(SpecError::PgHbaNewline);
        }
        // An unknown role is told of last; until then it is none of the known ones.
        let role = self.role.as_deref().map_or(Some(spec.role), ClusterRole::from_word);
        let mode = InitMode::from_word(init_mode)
            .ok_or_else(|| SpecError::UnknownInitMode(init_mode.to_owned()))?;
        match mode {
            InitMode::New if role == Some(ClusterRole::Standby) => {
                return Err(SpecError::NewStandbyCluster);
            }
            InitMode::New => {}
            InitMode::Existing => {
                let config = spec.existing_config.as_ref().ok_or(SpecError::NoExistingConfig)?;
                if config.keeper_uid.is_empty() {
                    return Err(SpecError::NoExistingKeeper);
                }
            }
            InitMode::Pitr => {
                let config = spec.pitr_config.as_ref().ok_or(SpecError::NoPitrConfig)?;
                validate_pitr(config, role)?;
            }
        }
        if let Some(mode) = &self.default_su_repl_access_mode
            && SuReplAccess::from_word(mode).is_none()
        {
            return Err(SpecError::UnknownAccessMode(mode.clone()));
        }
        match role {
            Some(ClusterRole::Master) => Ok(spec),
            Some(ClusterRole::Standby) if spec.standby_config.is_none() => {
                Err(SpecError::NoStandbyConfig)
            }
            Some(ClusterRole::Standby) => Ok(spec),
            None => Err(SpecError::UnknownRole { init_mode: init_mode.to_owned() }),
        }
    }

    fn validate_durations(&self) -> Result<(), SpecError> {
        let durations = [
            ("sleepInterval", self.sleep_interval),
            ("requestTimeout", self.request_timeout),
            ("convergenceTimeout", self.convergence_timeout),
            ("initTimeout", self.init_timeout),
            ("syncTimeout", self.sync_timeout),
            ("dbWaitReadyTimeout", self.db_wait_ready_timeout),
            ("failInterval", self.fail_interval),
            ("deadKeeperRemovalInterval", self.dead_keeper_removal_interval),
            ("proxyCheckInterval", self.proxy_check_interval),
            ("proxyTimeout", self.proxy_timeout),
        ];
        match durations.iter().find(|(_, span)| span.is_some_and(|span| span.nanos < 0)) {
            Some((name, _)) => Err(SpecError::NegativeDuration(name)),
            None => Ok(()),
        }
    }
}

fn validate_slot(name: &str) -> Result<(), SpecError> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(is_allowed) {
        return Err(SpecError::SlotName(name.to_owned()));
    }
    if name.starts_with("stolon_") {
        return Err(SpecError::ReservedSlotName(name.to_owned()));
    }
    Ok(())
}

fn validate_pitr(config: &PitrConfig, role: Option<ClusterRole>) -> Result<(), SpecError> {
    if config.data_restore_command.is_empty() {
        return Err(SpecError::NoDataRestoreCommand);
    }
    if config.recovery_target_settings.is_some() && role == Some(ClusterRole::Standby) {
        return Err(SpecError::RecoveryTargetOfStandbyCluster);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
