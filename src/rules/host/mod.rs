//! Rules about processes, baselines and other hosts.

pub mod baseline_mismatch;
pub mod hosts_disagree;
pub mod process_holds_old_view;
pub mod token_not_visible;
