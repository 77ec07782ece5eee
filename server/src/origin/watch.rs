//! Whether anything changed below a folder since it was looked at.

use std::path::Path;

/// Watches folders, one by one, for a change of what is in them or of the files there.
///
/// The kernel keeps the changes (inotify) until somebody asks: nothing runs meanwhile, and reading files costs nothing more. Where it
/// cannot watch, for want of watches or of the means, everything may have changed at any time.
#[derive(Debug, Default)]
pub struct Watch(Option<kernel::Changes>);

impl Watch {
    /// Watches nothing yet.
    pub fn new() -> Self {
        Self(kernel::Changes::new())
    }

    /// Watches a folder, not those in it. To miss nothing, do so before looking into it.
    pub fn folder(&mut self, path: &Path) {
        if self.0.as_ref().is_some_and(|changes| changes.add(path).is_none()) {
            tracing::info!(path = %path.display(), "cannot be watched: the library is read again each time it is asked for");
            self.0 = None;
        }
    }

    /// Whether anything may have changed since it began. Once something has, it is spent: begin another.
    pub fn changed(&self) -> bool {
        self.0.as_ref().is_none_or(kernel::Changes::any)
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::{os::fd::OwnedFd, path::Path};

    use rustix::{
        fs::inotify::{CreateFlags, WatchFlags, add_watch, init},
        io::{Errno, read},
    };

    #[derive(Debug)]
    pub struct Changes(OwnedFd);

    impl Changes {
        pub fn new() -> Option<Self> {
            init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).ok().map(Self)
        }

        pub fn add(&self, path: &Path) -> Option<()> {
            let inside = WatchFlags::CREATE | WatchFlags::DELETE | WatchFlags::MOVE | WatchFlags::MODIFY | WatchFlags::ATTRIB;
            let itself = WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONLYDIR;
            add_watch(&self.0, path, inside | itself).ok().map(|_| ())
        }

        /// Whether there is an event, of whatever kind: also that there were more than the kernel keeps.
        pub fn any(&self) -> bool {
            read(&self.0, &mut [0; 4096]) != Err(Errno::AGAIN)
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod kernel {
    use std::path::Path;

    /// There are none: no other system is asked for its changes.
    #[derive(Debug)]
    pub enum Changes {}

    impl Changes {
        pub fn new() -> Option<Self> {
            None
        }

        pub fn add(&self, _: &Path) -> Option<()> {
            match *self {}
        }

        pub fn any(&self) -> bool {
            match *self {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// What is done, and whether it tells.
    type Step<'a> = (&'a str, &'a dyn Fn(), bool);

    /// Each change of what is watched, and nothing else, tells.
    #[test]
    fn changes_tell() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        for name in ["inner", "unwatched"] {
            fs::create_dir(path(name)).unwrap();
        }
        fs::write(path("a.mp4"), "a").unwrap();
        fs::write(path("inner/b.mp4"), "b").unwrap();
        let steps: [Step<'_>; 8] = [
            ("nothing", &|| (), false),
            ("a file is read", &|| drop(fs::read(path("a.mp4")).unwrap()), false),
            ("a folder that is not watched", &|| fs::write(path("unwatched/c.mp4"), "c").unwrap(), false),
            ("a file comes", &|| fs::write(path("inner/c.mp4"), "c").unwrap(), true),
            ("a file is changed", &|| fs::write(path("a.mp4"), "more").unwrap(), true),
            ("a file goes", &|| fs::remove_file(path("inner/b.mp4")).unwrap(), true),
            ("a file gets another name", &|| fs::rename(path("a.mp4"), path("d.mp4")).unwrap(), true),
            ("a folder comes", &|| fs::create_dir(path("new")).unwrap(), true),
        ];
        for (told, change, expected) in steps {
            let mut watch = Watch::new();
            watch.folder(folder.path());
            watch.folder(&path("inner"));
            change();
            assert_eq!(watch.changed(), expected || !cfg!(target_os = "linux"), "{told}");
        }
    }

    #[test]
    fn what_cannot_be_watched_may_have_changed() {
        let mut watch = Watch::new();
        watch.folder(Path::new("/nowhere/at/all"));
        assert!(watch.changed());
        assert!(Watch::default().changed());
    }
}
