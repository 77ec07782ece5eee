//! The web app, built into web/dist, from where the server takes it in.

use anyhow::Result;

use crate::node::Package;
use crate::stamp::Stamp;

/// The web app's package.
pub const WEB: Package = Package { name: "web" };

/// Builds the web app when a file of it has changed since the last time.
pub fn build() -> Result<()> {
    if !WEB.exists() {
        return Ok(());
    }
    WEB.install()?;
    let folder = WEB.folder();
    // Beside the modules: with other modules, it is another build.
    let stamp = Stamp::new(folder.join("node_modules/.built"), std::slice::from_ref(&folder), &["node_modules", "dist", "tests"])?;
    if stamp.is_fresh() && folder.join("dist/index.html").is_file() {
        return Ok(());
    }
    WEB.script("build").hidden()?;
    stamp.keep()
}
