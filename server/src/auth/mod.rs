//! Who may publish, and who may play.
//!
//! - Publish keys: those of the configuration, and those that `reelway token publish` makes from the secret of the server.
//! - Whoever a URL of the configuration says yes to.
//! - Tokens of viewers: signed by the server, by a key of the configuration, or by somebody whose public keys are known.
//!
//! Nothing secret is logged or printed, and secrets are compared in a time that tells nothing of them.

mod hooks;
mod jwks;
mod jwt;
mod key_ring;
mod playback;
mod publish;
mod secret;
mod token;

pub use hooks::{Hooks, Question};
pub use jwks::{Jwks, Place};
pub use key_ring::{KeyRing, OWN, parts};
pub use playback::{Admitted, Playback, keep_private};
pub use publish::{Access, Credentials, Gate, PublishKey, Verdict};
pub use secret::Secret;
pub use token::{Claims, Refused};
