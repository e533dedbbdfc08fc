//! How a run ends that only looks: the contract with scripts (docs/commands.md, "Exit status") and with monitoring.

use crate::error::Exit;
use crate::finding::{Finding, Severity};
use crate::snapshot::{Gap, GapKind};
use crate::verdict::Verdict;

/// The state of a service by the Monitoring Plugins Development Guidelines, with its exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// 0
    Ok,
    /// 1
    Warning,
    /// 2
    Critical,
    /// 3
    Unknown,
}

impl State {
    /// The state of a verdict: what is bad first, then what could not be read. `least` is the least severity that
    /// is worth a warning; an alarm takes an error.
    #[must_use]
    pub fn of(verdict: &Verdict, least: Severity, offline: bool) -> Self {
        match exit(verdict, least.max(Severity::Error), offline) {
            Exit::Findings => Self::Critical,
            Exit::NotRead => Self::Unknown,
            Exit::Clean | Exit::Failed | Exit::WouldChange | Exit::NoCommand | Exit::CommandNotRun
                if reaches(&verdict.findings, least) =>
            {
                Self::Warning
            }
            Exit::Clean | Exit::Failed | Exit::WouldChange | Exit::NoCommand | Exit::CommandNotRun => {
                Self::Ok
            }
        }
    }

    /// The exit code that a plugin has for it: the numbers are the same as ours, their meaning is not.
    #[must_use]
    pub const fn exit(self) -> Exit {
        match self {
            Self::Ok => Exit::Clean,
            Self::Warning => Exit::Findings,
            Self::Critical => Exit::Failed,
            Self::Unknown => Exit::NotRead,
        }
    }
}

/// How a look at cards and caches ends: without the card that was asked for, nothing that was found is all.
#[must_use]
pub fn exit(verdict: &Verdict, fail_on: Severity, offline: bool) -> Exit {
    if is_without_card(verdict, offline) {
        Exit::NotRead
    } else {
        exit_of(&verdict.findings, &verdict.coverage, fail_on)
    }
}

fn is_without_card(verdict: &Verdict, offline: bool) -> bool {
    let is_missing = |gap: &Gap| gap.asked_for && gap.kind == GapKind::Card;
    !offline && !verdict.compared && verdict.coverage.iter().any(is_missing)
}

/// How a look ends that found this, and could not look at that.
#[must_use]
pub fn exit_of(findings: &[Finding], coverage: &[Gap], fail_on: Severity) -> Exit {
    if reaches(findings, fail_on) {
        Exit::Findings
    } else if coverage.iter().any(|gap| gap.asked_for) {
        Exit::NotRead
    } else {
        Exit::Clean
    }
}

/// How a list ends, which has no findings to tell.
#[must_use]
pub fn exit_unjudged(verdict: &Verdict, offline: bool) -> Exit {
    if is_without_card(verdict, offline) {
        Exit::NotRead
    } else {
        exit_of(&[], &verdict.coverage, Severity::Info)
    }
}

/// How a report ends: what it tells is no failure of its own, but that it could not look is.
#[must_use]
pub fn exit_unread(coverage: &[Gap]) -> Exit {
    if coverage.iter().any(|gap| gap.asked_for) { Exit::NotRead } else { Exit::Clean }
}

/// Was something that was asked for not read? What is critical is told first.
#[must_use]
pub fn is_unread(verdict: &Verdict, offline: bool) -> bool {
    exit(verdict, Severity::Critical, offline) == Exit::NotRead
}

fn reaches(findings: &[Finding], severity: Severity) -> bool {
    findings.iter().any(|finding| finding.severity >= severity)
}
