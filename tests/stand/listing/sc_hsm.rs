//! `sc-hsm-tool` without arguments.

use super::number;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScHsmStatus {
    pub version: Option<String>,
    pub so_pin_tries: Option<u32>,
    pub user_pin_tries: Option<u32>,
    /// Absent when the card does not use key wrapping.
    pub dkek_shares: Option<u32>,
    /// Shares still to be imported; 0 when the key is complete.
    pub dkek_outstanding: Option<u32>,
    /// Key check value, upper-case hex; absent while shares are outstanding.
    pub dkek_kcv: Option<String>,
    /// Every line as printed.
    pub lines: Vec<String>,
}

impl ScHsmStatus {
    pub fn parse(text: &str) -> Self {
        let mut status = Self { lines: text.lines().map(str::to_owned).collect(), ..Self::default() };
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("DKEK import pending,") {
                status.dkek_outstanding = number(rest);
            }
            let Some((name, value)) = line.split_once(':') else { continue };
            match name.trim() {
                "Version" => status.version = Some(value.trim().to_owned()),
                "SO-PIN tries left" => status.so_pin_tries = number(value),
                "User PIN tries left" => status.user_pin_tries = number(value),
                "DKEK shares" => status.dkek_shares = number(value),
                "DKEK key check value" => {
                    status.dkek_kcv = Some(value.trim().to_uppercase());
                    status.dkek_outstanding = Some(0);
                }
                _ => {}
            }
        }
        status
    }
}
