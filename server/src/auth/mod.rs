//! Who may publish: keys of the configuration, and keys that `reelway token publish` makes from the secret of the server.

mod publish;
mod secret;

pub use publish::{Access, Credentials, Gate, PublishKey};
pub use secret::Secret;
