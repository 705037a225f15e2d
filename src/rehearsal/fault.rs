//! What can go wrong at an effect: of the process, of a request, of the world, or by somebody else.

use std::fmt;

use crate::sandbox::Mood;

/// A fault, put at one effect of a run: a request that may change something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The process is killed before the request is sent.
    CrashBefore,
    /// The process is killed once the request was carried out.
    CrashAfter,
    /// The request never arrives, and no answer comes.
    RequestLost,
    /// The request is carried out, and its answer never comes.
    AnswerLost,
    /// The request is held up: no answer comes, and it is carried out within its deadline.
    Late,
    /// The answer takes long; the world goes on meanwhile.
    Slow,
    /// The request arrives twice.
    Twice,
    /// The server refuses it.
    Refused,
    /// The next look shows the world as it was before the effect.
    StaleLook,
    /// The server answers the next look by an error.
    LookFails,
    /// The process is stopped before the request, longer than the lock lasts, and goes on when
    /// another apply has run through.
    Paused,
    /// Another apply begins at this moment.
    Rival,
    /// The database answers under another id from now on.
    AnotherDatabase,
    /// One of the members crashes again and again for a while.
    MemberCrashes,
    /// A machine with members cannot be reached for a while.
    NodeLost,
    /// Storage gives no volumes for a while.
    StorageStalls,
    /// The database is silent for a while.
    DatabaseSilent,
    /// The database answers with errors for a while.
    DatabaseRefuses,
    /// The database answers with empty tables for a while.
    DatabaseEmpty,
    /// Somebody deletes a member's pod.
    PodDeleted,
    /// Somebody scales a pool by hand.
    Scaled,
    /// An autoscaler sets a pool's size.
    Autoscaled,
    /// Somebody deletes a StatefulSet.
    SetDeleted,
    /// Somebody deletes a StatefulSet from around its members.
    SetOrphaned,
    /// Somebody deletes a Service and makes another one of that name, which is not ours.
    ServiceReplaced,
    /// Somebody changes a field of ours.
    FieldEdited,
    /// Somebody deletes the stack's lock.
    LockDeleted,
    /// Somebody deletes the stack's record.
    RecordDeleted,
}

impl Fault {
    /// All of them.
    pub const ALL: [Self; 28] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::RequestLost,
        Self::AnswerLost,
        Self::Late,
        Self::Slow,
        Self::Twice,
        Self::Refused,
        Self::StaleLook,
        Self::LookFails,
        Self::Paused,
        Self::Rival,
        Self::AnotherDatabase,
        Self::MemberCrashes,
        Self::NodeLost,
        Self::StorageStalls,
        Self::DatabaseSilent,
        Self::DatabaseRefuses,
        Self::DatabaseEmpty,
        Self::PodDeleted,
        Self::Scaled,
        Self::Autoscaled,
        Self::SetDeleted,
        Self::SetOrphaned,
        Self::ServiceReplaced,
        Self::FieldEdited,
        Self::LockDeleted,
        Self::RecordDeleted,
    ];

    /// Whether it takes members away by itself: then fewer than all but one may be ready through no
    /// doing of ours.
    pub fn takes_members(self) -> bool {
        matches!(
            self,
            Self::MemberCrashes
                | Self::NodeLost
                | Self::PodDeleted
                | Self::Scaled
                | Self::Autoscaled
                | Self::SetDeleted
                | Self::AnotherDatabase
                | Self::FieldEdited
        )
    }

    /// Whether it may hit the last request of a run, which lets the lock go; then it runs out.
    pub(super) fn leaves_the_lock(self) -> bool {
        matches!(self, Self::RequestLost | Self::Late | Self::Refused | Self::LookFails)
    }

    /// Whether somebody else changes what the stack describes.
    pub fn is_interference(self) -> bool {
        matches!(
            self,
            Self::PodDeleted
                | Self::Scaled
                | Self::Autoscaled
                | Self::SetDeleted
                | Self::SetOrphaned
                | Self::ServiceReplaced
                | Self::FieldEdited
                | Self::LockDeleted
                | Self::RecordDeleted
                | Self::AnotherDatabase
        )
    }

    /// The mood it puts a database into.
    pub(super) fn mood(self) -> Option<Mood> {
        match self {
            Self::DatabaseSilent => Some(Mood::Silent),
            Self::DatabaseRefuses => Some(Mood::Refusing),
            Self::DatabaseEmpty => Some(Mood::Empty),
            _ => None,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}
