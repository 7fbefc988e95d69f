//! Owns what lets a user in who has no password.

use jiff::Timestamp;

use crate::secret::Secret;

/// How a user who has no password gets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryMethod {
    /// A link alone.
    Link,
    /// A code to be typed in, and the link of the page where that is done.
    Code,
}

impl RecoveryMethod {
    pub const ALL: [RecoveryMethod; 2] = [Self::Link, Self::Code];

    /// `link` or `code`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Link => "link",
            Self::Code => "code",
        }
    }
}

/// What lets one user set a password.
#[derive(Clone, Debug)]
pub struct Recovery {
    pub link: Secret,
    /// With [`RecoveryMethod::Code`] only.
    pub code: Option<Secret>,
    /// By the server's clock.
    pub expires_at: Timestamp,
}
