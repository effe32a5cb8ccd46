//! The clinic's own keys: who it is, and what closes its ingest files.

use std::path::Path;

use karez_host::{Env, Failure};
use karez_protocol::seal::{ClinicKeys, Identity, IngestKey};
use karez_store::{read_whole, write_atomically};

/// The keys of one data directory, from two files of mode 0600.
pub struct Keys {
    /// Who signs, and who the QUIC endpoint is.
    pub identity: Identity,
    /// Keyed hashes.
    pub clinic: ClinicKeys,
    /// Closes what is accepted and not yet sealed.
    pub ingest: IngestKey,
}

impl Keys {
    /// Reads the keys, and makes those that are missing.
    ///
    /// # Errors
    /// The directory cannot be written, or a key file is damaged.
    pub fn open(env: &dyn Env, dir: &Path) -> Result<Self, Failure> {
        let keys = dir.join("keys");
        let made = env.disk().create_dir_all(&keys);
        made.map_err(|e| Failure::new(format!("the keys' directory cannot be made: {e}")))?;
        let identity = Identity::from_secret(&secret(env, &keys.join("identity"))?);
        Ok(Self {
            clinic: ClinicKeys::of(&identity),
            identity,
            ingest: IngestKey::new(secret(env, &keys.join("ingest"))?),
        })
    }
}

fn secret(env: &dyn Env, path: &Path) -> Result<[u8; 32], Failure> {
    let disk = env.disk();
    let failed = |error: karez_store::Error| {
        Failure::new(format!("a key cannot be kept: {error}")).at(path.display())
    };
    let known = read_whole(disk.as_ref(), path, 64).map_err(failed)?;
    if let Some(known) = known {
        return known.try_into().map_err(|_| {
            Failure::new("a key file is damaged")
                .at(path.display())
                .fix("Restore it from a backup; without it nothing sealed here can be continued")
        });
    }
    let mut fresh = [0; 32];
    env.entropy(&mut fresh);
    write_atomically(disk.as_ref(), path, &fresh).map_err(failed)?;
    Ok(fresh)
}
