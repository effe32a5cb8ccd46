//! Who may log in: a file of names, roles and Argon2id hashes. Passwords are never kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use argon2::{Algorithm, Argon2, Params, Version};
use karez_protocol::id::hex;
use karez_protocol::seal::{DeskKey, DeskPublic};
use karez_store::{Disk, read_whole, write_atomically};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::exit::Failure;
use crate::limits::{PAGE_USERS, USERS_FILE};

/// The file in a data directory.
pub const USERS: &str = "users.json";
/// Characters of the shortest password.
pub(super) const PASSWORD_MIN: usize = 8;
/// Bytes of the longest password.
pub(super) const PASSWORD_MAX: usize = 256;

/// OWASP's minimum for Argon2id: 19 MiB, 2 passes, 1 lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;

/// What somebody may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Sees names; makes studies urgent, takes them back, lets scanners send.
    #[default]
    Technician,
    /// Does also what cannot be undone.
    Admin,
}

/// Somebody who may log in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// How they call themselves.
    pub name: String,
    /// What they may do.
    pub role: Role,
    salt: String,
    memory_kib: u32,
    passes: u32,
    check: String,
    /// The desk key under the password; empty for who may not see names.
    #[serde(default)]
    desk: String,
}

/// Somebody whose password was right.
pub struct Known {
    /// Who.
    pub user: User,
    /// What opens names, for who may see them.
    pub desk: Option<DeskKey>,
}

/// The file.
#[derive(Clone)]
pub struct Users {
    disk: Arc<dyn Disk>,
    path: PathBuf,
}

#[derive(Default, Serialize, Deserialize)]
struct File {
    /// The public half of the desk key; empty before the first user.
    #[serde(default)]
    desk: String,
    users: Vec<User>,
}

impl Users {
    /// Those of a data directory.
    #[must_use]
    pub fn of(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        let path = dir.join(USERS);
        Self { disk, path }
    }

    /// All of them.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn list(&self) -> Result<Vec<User>, Failure> {
        Ok(self.read()?.users)
    }

    /// What names are sealed to, once there is a user.
    #[must_use]
    pub fn desk(&self) -> Option<DeskPublic> {
        Some(DeskPublic(unhex(&self.read().ok()?.desk)?))
    }

    /// Adds somebody, or gives them another password or role. The first makes the desk key; to a
    /// later one it is given by `giver`, who has it. `random` is for the salt and that key.
    ///
    /// # Errors
    /// The name or the password will not do, there are too many, or the disk's.
    pub fn add(
        &self,
        (name, role): (&str, Role),
        password: &str,
        giver: Option<&DeskKey>,
        random: [u8; 48],
    ) -> Result<(), Failure> {
        fit(name, password)?;
        let mut file = self.read()?;
        file.users.retain(|user| user.name != name);
        if file.users.len() >= PAGE_USERS {
            return Err(
                Failure::new(format!("there are {PAGE_USERS} users already"))
                    .fix("Remove one with `user remove NAME`"),
            );
        }
        let (salt, seed) = random.split_at(16);
        let mut desk = giver.cloned();
        if file.desk.is_empty() {
            let key = DeskKey::new(seed.try_into().unwrap_or_default());
            file.desk = hex(&key.public().0);
            desk = Some(key);
        }
        let mut user = User {
            salt: hex(salt),
            role,
            ..User::nobody(name)
        };
        let (check, key) = user.derive(password)?;
        user.check = check;
        if let Some(desk) = desk {
            let wrapped = desk.wrap(&key).map_err(|e| Failure::new(e.to_string()))?;
            user.desk = hex(&wrapped);
        }
        file.users.push(user);
        self.write(&file)
    }

    /// Removes somebody.
    ///
    /// # Errors
    /// There is nobody of this name, or the disk's.
    pub fn remove(&self, name: &str) -> Result<(), Failure> {
        let mut file = self.read()?;
        let before = file.users.len();
        file.users.retain(|user| user.name != name);
        if file.users.len() == before {
            return Err(Failure::new(format!("there is no user `{name}`")).fix("See `user list`"));
        }
        self.write(&file)
    }

    /// Who this is, if the password is theirs. It takes as long for a name that is not there.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn verify(&self, name: &str, password: &str) -> Result<Option<Known>, Failure> {
        let found = self.list()?.into_iter().find(|user| user.name == name);
        let user = found.unwrap_or_else(|| User::nobody(""));
        let given = password.get(..PASSWORD_MAX.min(password.len()));
        let (check, key) = user.derive(given.unwrap_or_default())?;
        if !same(&check, &user.check) || user.name.is_empty() {
            return Ok(None);
        }
        let wrapped = unhex::<48>(&user.desk);
        let desk = wrapped.and_then(|wrapped| DeskKey::unwrap(&wrapped, &key).ok());
        Ok(Some(Known { user, desk }))
    }

    fn read(&self) -> Result<File, Failure> {
        let bytes = read_whole(&*self.disk, &self.path, USERS_FILE)?;
        let Some(bytes) = bytes else {
            return Ok(File::default());
        };
        serde_json::from_slice(&bytes).map_err(|_| {
            Failure::new("the file of users cannot be read")
                .at(self.path.display())
                .fix("Move it away and add the users anew")
        })
    }

    fn write(&self, file: &File) -> Result<(), Failure> {
        let json = serde_json::to_vec_pretty(file).map_err(|e| Failure::new(e.to_string()))?;
        write_atomically(&*self.disk, &self.path, &json)?;
        Ok(())
    }
}

impl User {
    /// Whether they can see names.
    #[must_use]
    pub const fn sees_names(&self) -> bool {
        !self.desk.is_empty()
    }

    fn nobody(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            role: Role::Technician,
            salt: hex(&[0; 16]),
            memory_kib: MEMORY_KIB,
            passes: PASSES,
            check: String::new(),
            desk: String::new(),
        }
    }

    /// What is compared, and what unwraps the desk key: two halves of one hash, of which neither
    /// tells the other.
    fn derive(&self, password: &str) -> Result<(String, Zeroizing<[u8; 32]>), Failure> {
        let failed = |e: argon2::Error| {
            Failure::new(format!("the password cannot be hashed: {e}")).at(USERS)
        };
        let params = Params::new(self.memory_kib, self.passes, 1, Some(64)).map_err(failed)?;
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let mut out = Zeroizing::new([0; 64]);
        argon
            .hash_password_into(password.as_bytes(), self.salt.as_bytes(), &mut *out)
            .map_err(failed)?;
        let mut key = Zeroizing::new([0; 32]);
        key.copy_from_slice(&out[32..]);
        Ok((hex(&out[..32]), key))
    }
}

fn fit(name: &str, password: &str) -> Result<(), Failure> {
    let fits = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
    if !(1..=32).contains(&name.chars().count()) || !name.chars().all(fits) {
        let failure = Failure::usage(format!("`{name}` cannot be a user's name"));
        return Err(failure.fix("Use up to 32 letters, digits, `.`, `-` and `_`"));
    }
    if password.chars().count() < PASSWORD_MIN || password.len() > PASSWORD_MAX {
        return Err(Failure::usage("the password will not do").fix(format!(
            "Use {PASSWORD_MIN} characters or more, {PASSWORD_MAX} bytes or fewer"
        )));
    }
    Ok(())
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (n, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * n..2 * n + 2], 16).ok()?;
    }
    Some(bytes)
}

/// Compares in a time that does not tell where they differ.
fn same(a: &str, b: &str) -> bool {
    let differ = a
        .bytes()
        .zip(b.bytes())
        .fold(0, |sum, (a, b)| sum | (a ^ b));
    a.len() == b.len() && differ == 0
}

#[cfg(test)]
mod tests {
    use karez_store::RealDisk;

    use super::*;

    fn made(users: &Users, name: &str, role: Role, password: &str, giver: Option<&DeskKey>) {
        let mut random = [name.len() as u8; 48];
        random[..name.len()].copy_from_slice(name.as_bytes());
        users.add((name, role), password, giver, random).unwrap();
    }

    #[test]
    fn a_user_is_known_by_their_password_alone() {
        let dir = tempfile::tempdir().unwrap();
        let users = Users::of(Arc::new(RealDisk), dir.path());
        assert_eq!(users.list().unwrap(), []);
        assert!(users.verify("amna", "").unwrap().is_none());
        made(&users, "amna", Role::Technician, "chagai-2026", None);
        made(&users, "bilal", Role::Admin, "quetta-2026", None);
        let known = users.verify("amna", "chagai-2026").unwrap().unwrap().user;
        assert_eq!(
            (known.name.as_str(), known.role),
            ("amna", Role::Technician)
        );
        assert!(users.verify("amna", "quetta-2026").unwrap().is_none());
        assert!(users.verify("nobody", "chagai-2026").unwrap().is_none());
        let file = std::fs::read_to_string(dir.path().join(USERS)).unwrap();
        assert!(!file.contains("chagai-2026"));
        users.remove("amna").unwrap();
        assert!(users.verify("amna", "chagai-2026").unwrap().is_none());
        assert!(users.remove("amna").is_err());
    }

    #[test]
    fn names_open_for_the_first_user_and_for_whom_the_key_was_given() {
        let dir = tempfile::tempdir().unwrap();
        let users = Users::of(Arc::new(RealDisk), dir.path());
        assert_eq!(users.desk(), None);
        made(&users, "amna", Role::Admin, "chagai-2026", None);
        let sealed = users.desk().unwrap().seal([5; 32], b"BIBI").unwrap();
        let amna = users
            .verify("amna", "chagai-2026")
            .unwrap()
            .unwrap()
            .desk
            .unwrap();
        made(
            &users,
            "bilal",
            Role::Technician,
            "nushki-2026",
            Some(&amna),
        );
        made(&users, "cyra", Role::Technician, "dalbandin-26", None);
        let bilal = users
            .verify("bilal", "nushki-2026")
            .unwrap()
            .unwrap()
            .desk
            .unwrap();
        assert_eq!(&**bilal.open(&sealed).unwrap(), b"BIBI");
        assert!(
            users
                .verify("cyra", "dalbandin-26")
                .unwrap()
                .unwrap()
                .desk
                .is_none()
        );
    }

    #[test]
    fn a_short_password_or_an_odd_name_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let users = Users::of(Arc::new(RealDisk), dir.path());
        let refused = |name, password| {
            users
                .add((name, Role::Admin), password, None, [0; 48])
                .is_err()
        };
        assert!(refused("amna", "short") && refused("a b", "long enough"));
        assert!(refused("", "long enough"));
    }
}
