//! Uploads that are cut off in the middle of their requests, and whose server is killed: a short run of `cargo xtask bench uploads`.

use anyhow::{Result, ensure};
use reelway_tests::{cuts, film::Film};

#[test]
fn twenty_cuts_lose_nothing() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let cut = cuts::run(folder.path(), &Film::new(60)?, 20)?;
    ensure!(cut.broken == 10 && cut.killed == 10, "{cut:?}");
    Ok(())
}
