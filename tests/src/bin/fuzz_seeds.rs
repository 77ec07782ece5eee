//! Writes the seeds of a fuzz target into a folder, each under a name that its content gives: `fuzz-seeds TARGET FOLDER`. Without arguments
//! it names the targets.

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use reelway_tests::fuzzing::{TARGETS, target};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [name, folder] = arguments.as_slice() else {
        if !arguments.is_empty() {
            bail!("usage: fuzz-seeds TARGET FOLDER");
        }
        for target in TARGETS {
            println!("{}", target.name);
        }
        return Ok(());
    };
    let folder = PathBuf::from(folder);
    fs::create_dir_all(&folder)?;
    for seed in (target(name).with_context(|| format!("there is no target {name}"))?.seeds)()? {
        let mut hasher = DefaultHasher::new();
        seed.hash(&mut hasher);
        fs::write(folder.join(format!("{:016x}", hasher.finish())), seed)?;
    }
    Ok(())
}
