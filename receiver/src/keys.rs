//! The hub's one secret: 32 bytes in `keys/seed`, from which all its keys derive.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use karez_host::{Env, Failure};
use karez_protocol::id::{HubKeyId, PeerId};
use karez_protocol::seal::{HubKeys, HubSeed, Identity};
use karez_store::{Disk, OpenMode, read_whole, write_atomically};
use zeroize::Zeroizing;

/// A hub's keys at work.
pub struct Keys {
    /// Signs and answers for the hub.
    pub identity: Identity,
    /// Opens what clinics sealed.
    pub ring: Arc<HubKeys>,
    /// The public half of the identity.
    pub me: PeerId,
    /// Hides UIDs in journals.
    uids: Zeroizing<[u8; 32]>,
}

impl Keys {
    /// Derives them.
    #[must_use]
    pub fn of(seed: &HubSeed) -> Self {
        let identity = seed.identity();
        Self {
            me: identity.peer(),
            identity,
            ring: Arc::new(seed.keys(HubKeyId(0))),
            uids: Zeroizing::new(blake3::derive_key("karez/1 UID at a target", seed.bytes())),
        }
    }

    /// A UID as journals know it: the same for the same UID, and it says nothing of it.
    #[must_use]
    pub fn hide(&self, uid: &str) -> [u8; 16] {
        let hash = blake3::keyed_hash(&self.uids, uid.as_bytes());
        let mut hidden = [0; 16];
        hidden.copy_from_slice(hash.as_bytes().split_at(16).0);
        hidden
    }

    /// The identity as QUIC shows it.
    #[must_use]
    pub fn quic(&self) -> karez_quic::Identity {
        karez_quic::Identity::from_seed(&self.identity.secret())
    }
}

/// A new seed.
#[must_use]
pub fn draw(env: &dyn Env) -> HubSeed {
    let mut bytes = Zeroizing::new([0; 32]);
    env.entropy(&mut *bytes);
    HubSeed::new(*bytes)
}

/// Reads the seed of a data directory.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn load(disk: &dyn Disk, dir: &Path) -> Result<HubSeed, Failure> {
    let path = path(dir);
    let bytes = Zeroizing::new(read_whole(disk, &path, 32)?.ok_or_else(|| missing(dir))?);
    let seed: [u8; 32] = bytes.as_slice().try_into().map_err(|_| {
        Failure::new("the hub's key file is damaged")
            .at(path.display())
            .fix("Run `recover` with the recovery sheet on an empty data directory")
    })?;
    Ok(HubSeed::new(seed))
}

/// Whether a data directory has a seed.
///
/// # Errors
/// The disk cannot be read.
pub fn exists(disk: &dyn Disk, dir: &Path) -> Result<bool, Failure> {
    match disk.open(&path(dir), OpenMode::Read) {
        Ok(_) => Ok(true),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(Failure::new(format!("the keys cannot be read: {e}")).at(dir.display())),
    }
}

/// Writes a seed where there is none yet.
///
/// # Errors
/// There is one, or the disk cannot be written.
pub fn store(disk: &dyn Disk, dir: &Path, seed: &HubSeed) -> Result<(), Failure> {
    if exists(disk, dir)? {
        return Err(Failure::new("there is a hub in this directory already")
            .at(dir.display())
            .fix("Give another directory with --data"));
    }
    disk.create_dir_all(&dir.join("keys"))
        .map_err(|e| Failure::new(format!("the keys cannot be written: {e}")).at(dir.display()))?;
    Ok(write_atomically(disk, &path(dir), seed.bytes())?)
}

fn path(dir: &Path) -> PathBuf {
    dir.join("keys").join("seed")
}

fn missing(dir: &Path) -> Failure {
    Failure::new("there is no hub in this directory")
        .at(dir.display())
        .fix("Make one with `karez-receiver init`, or `recover` one from its sheet")
}

#[cfg(test)]
mod tests {
    use super::*;
    use karez_store::MemDisk;

    #[test]
    fn a_seed_is_written_once_and_read_back() {
        let (disk, dir) = (MemDisk::new(), Path::new("/data"));
        disk.create_dir_all(dir).unwrap();
        let none = load(&disk, dir).err().unwrap();
        assert!(none.fix.contains("init"), "{none}");
        store(&disk, dir, &HubSeed::new([7; 32])).unwrap();
        disk.crash(1);
        assert_eq!(load(&disk, dir).unwrap().bytes(), &[7; 32]);
        let again = store(&disk, dir, &HubSeed::new([8; 32]));
        assert!(again.unwrap_err().cause.contains("already"));
    }
}
