//! The web app is built into the binary, so it must have been built.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=../web/dist");
    if !Path::new("../web/dist/index.html").exists() {
        println!("cargo::error=web/dist is missing: build the web app first, with `cargo xtask web`");
    }
}
