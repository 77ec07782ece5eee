//! Folders with a package.json: their modules, installed once for each lock file, and their scripts.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::place;
use crate::run::Step;
use crate::stamp::Stamp;

/// A folder of the repository that npm knows.
pub struct Package {
    /// As in the repository: `web`, `tests/browser`.
    pub name: &'static str,
}

impl Package {
    /// Its folder.
    pub fn folder(&self) -> PathBuf {
        place::root().join(self.name)
    }

    /// Whether there is such a package.
    pub fn exists(&self) -> bool {
        self.folder().join("package.json").is_file()
    }

    /// Installs the modules its lock file names, when the ones that are there came from another. No code of theirs runs here.
    pub fn install(&self) -> Result<()> {
        let folder = self.folder();
        let inputs = [folder.join("package.json"), folder.join("package-lock.json")];
        let stamp = Stamp::new(folder.join("node_modules/.installed"), &inputs, &[])?;
        if stamp.is_fresh() {
            return Ok(());
        }
        npm(format!("{}: npm ci", self.name), &folder).args(["ci", "--no-audit", "--no-fund", "--ignore-scripts"]).hidden()?;
        fs::create_dir_all(folder.join("node_modules"))?;
        stamp.keep()
    }

    /// One of its scripts, ready to run.
    pub fn script(&self, script: &str) -> Step {
        npm(format!("{}: npm run {script}", self.name), &self.folder()).args(["run", "--silent", script])
    }

    /// Whether it has a script of that name.
    pub fn has_script(&self, script: &str) -> bool {
        let text = fs::read_to_string(self.folder().join("package.json")).unwrap_or_default();
        let scripts = text.split_once("\"scripts\"").map_or("", |(_, rest)| rest.split('}').next().unwrap_or(""));
        scripts.contains(&format!("\"{script}\":")) || scripts.contains(&format!("\"{script}\" :"))
    }
}

/// A call of npm that asks nothing and looks for no update of itself.
pub fn npm(label: impl Into<String>, folder: &Path) -> Step {
    Step::new(label, "npm").within(folder).env("npm_config_update_notifier", "false")
}
