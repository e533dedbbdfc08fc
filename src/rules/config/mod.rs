//! Rules about `opensc.conf`.

pub mod config_block_shadowed;
pub mod config_caches_for_writer;
pub mod config_crashes_opensc;
pub mod config_differs_between_programs;
pub mod config_setting_ignored;
pub mod config_unreadable;
pub mod config_value_not_understood;
