//! What `check` looks at on both sides: the commonest mistakes, each with its fix.

use std::net::SocketAddr;
use std::path::Path;

use karez_store::{Disk, OpenMode};

use crate::exit::Failure;
use crate::page::Users;

const PROBE: &str = "check.probe";

/// The data directory: ours alone, and it can be written.
///
/// # Errors
/// What is wrong with it, and the fix.
pub fn directory(disk: &dyn Disk, dir: &Path) -> Result<String, Failure> {
    let stat = rustix::fs::stat(dir);
    let stat = stat.map_err(|errno| {
        Failure::new(format!("cannot be entered: {errno}"))
            .at(dir.display())
            .fix("Make it with `init`, and run as the daemon's user")
    })?;
    if stat.st_mode & 0o007 != 0 {
        return Err(Failure::new("is open to everybody on this machine")
            .at(dir.display())
            .fix("chmod o-rwx"));
    }
    writable(disk, dir)?;
    Ok("ours, and it can be written".to_owned())
}

/// Whether files can be made in a directory.
///
/// # Errors
/// They cannot, with the fix.
pub fn writable(disk: &dyn Disk, dir: &Path) -> Result<(), Failure> {
    let probe = dir.join(PROBE);
    // One that an earlier check left behind.
    let _ = disk.remove(&probe);
    let written = disk.open(&probe, OpenMode::CreateNew);
    let _ = disk.remove(&probe);
    written.map_err(|error| {
        Failure::new(format!("cannot be written: {error}"))
            .at(dir.display())
            .fix(
                "Run as the daemon's user, as in `runuser -u karez -- ...`; is the disk read-only?",
            )
    })?;
    Ok(())
}

/// The page: for this machine only, and somebody can log in.
///
/// # Errors
/// What is wrong with it, and the fix.
pub fn page(address: Option<SocketAddr>, users: &Users) -> Result<String, Failure> {
    let Some(address) = address else {
        return Ok("is switched off".to_owned());
    };
    if users.list()?.is_empty() {
        return Err(Failure::new("nobody can log in").fix("Add somebody with `user add NAME`"));
    }
    match address.ip().is_loopback() {
        true => Ok(format!("http://{address}/")),
        false => Ok(format!(
            "http://{address}/ can be reached from other machines, passwords go there in clear: \
             let a proxy with TLS stand before it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use karez_store::RealDisk;

    use super::*;
    use crate::page::Role;

    #[test]
    fn an_open_or_missing_directory_is_a_mistake_with_its_fix() {
        let dir = tempfile::tempdir().unwrap();
        let set =
            |mode| std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(mode)).unwrap();
        set(0o750);
        assert!(directory(&RealDisk, dir.path()).is_ok());
        set(0o755);
        assert!(
            directory(&RealDisk, dir.path())
                .unwrap_err()
                .fix
                .contains("chmod")
        );
        let missing = directory(&RealDisk, &dir.path().join("x")).unwrap_err();
        assert!(missing.fix.contains("init"), "{missing}");
    }

    #[test]
    fn a_page_without_users_is_a_mistake() {
        let dir = tempfile::tempdir().unwrap();
        let users = Users::of(Arc::new(RealDisk), dir.path());
        let here = "127.0.0.1:4480".parse().ok();
        assert!(page(None, &users).is_ok());
        assert!(page(here, &users).unwrap_err().fix.contains("user add"));
        users
            .add(("amna", Role::Admin), "chagai-2026", None, [1; 48])
            .unwrap();
        assert_eq!(page(here, &users).unwrap(), "http://127.0.0.1:4480/");
        assert!(
            page("0.0.0.0:80".parse().ok(), &users)
                .unwrap()
                .contains("TLS")
        );
    }
}
