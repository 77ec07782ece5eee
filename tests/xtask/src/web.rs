//! The web app, built into web/dist, from where the server takes it in.

use anyhow::Result;

use crate::node::Package;
use crate::stamp::Stamp;
use crate::wasm;

/// The web app's package.
pub const WEB: Package = Package { name: "web" };

/// Builds the web app, and the npm package that it uses, when a file of them has changed since the last time.
pub fn build(tools: &wasm::Tools) -> Result<()> {
    wasm::build(tools)?;
    wasm::build_package()?;
    WEB.install()?;
    let folder = WEB.folder();
    let inputs = [folder.clone(), wasm::PACKAGE.folder().join("dist")];
    // Beside the modules: with other modules, it is another build.
    let stamp = Stamp::new(folder.join("node_modules/.built"), &inputs, &["node_modules", "dist", "tests"])?;
    if stamp.is_fresh() && is_built() {
        return Ok(());
    }
    WEB.script("build").hidden()?;
    stamp.keep()
}

/// Whether there is a web app, be it of today.
pub fn is_built() -> bool {
    WEB.folder().join("dist/index.html").is_file()
}
