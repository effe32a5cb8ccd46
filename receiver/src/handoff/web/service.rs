//! Where a DICOMweb service is:
//! `stow+http://HOST[:PORT]/PATH[?find=no&auth=FILE]`, and for `stow+https` also
//! `ca=FILE&cert=FILE&key=FILE`.

use std::fmt;
use std::path::PathBuf;

use karez_host::tls;

use crate::handoff::address::NEVER_ASKED;

/// A DICOMweb service's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Whether it is reached by TLS.
    pub secure: bool,
    /// `HOST:PORT`.
    pub at: String,
    /// The path before `/studies`, without a slash at its end.
    pub base: String,
    /// Whether it can be asked what it has (QIDO-RS).
    pub find: bool,
    /// A file with the value of the `Authorization` header. The secret is in no journal.
    pub auth: Option<PathBuf>,
    /// Certificates.
    pub tls: tls::Files,
}

/// Why a text is no DICOMweb service's address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// Not in the form.
    #[error(
        "write a DICOMweb service as stow+http://HOST:PORT/PATH or stow+https://HOST:PORT/PATH"
    )]
    Form,
    /// An option that is not known, or that does not fit the others.
    #[error(
        "`{0}` is not known here; a DICOMweb service's address takes find=no, auth=FILE, and with \
         stow+https ca=FILE and cert=FILE&key=FILE, each by its whole path"
    )]
    Option(String),
}

impl Service {
    /// Reads what stands behind `stow+http://` or, `secure`, `stow+https://`.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub fn read(text: &str, secure: bool) -> Result<Self, ServiceError> {
        let (place, options) = text.split_once('?').unwrap_or((text, ""));
        let (at, path) = place.split_once('/').unwrap_or((place, ""));
        let in_path = |c: char| c.is_ascii_alphanumeric() || "/-._~%".contains(c);
        if !path.chars().all(in_path) {
            return Err(ServiceError::Form);
        }
        let path = path.trim_end_matches('/');
        let mut service = Self {
            secure,
            at: place_of(at, secure).ok_or(ServiceError::Form)?,
            base: if path.is_empty() {
                String::new()
            } else {
                format!("/{path}")
            },
            find: true,
            auth: None,
            tls: tls::Files::default(),
        };
        let (mut certificate, mut key) = (None, None);
        for option in options.split('&').filter(|option| !option.is_empty()) {
            let unknown = || ServiceError::Option(option.to_owned());
            let (name, value) = option.split_once('=').ok_or_else(unknown)?;
            let file = || file(value).ok_or_else(unknown);
            match name {
                "find" if value == "no" => service.find = false,
                "auth" => service.auth = Some(file()?),
                "ca" if secure => service.tls.authorities = Some(file()?),
                "cert" if secure => certificate = Some(file()?),
                "key" if secure => key = Some(file()?),
                _ => return Err(unknown()),
            }
        }
        let own = own(certificate, key);
        service.tls.own = own.ok_or(ServiceError::Option("cert without key".into()))?;
        Ok(service)
    }

    /// What an administrator should know about this choice of options.
    #[must_use]
    pub fn risk(&self) -> Option<&'static str> {
        (!self.find).then_some(NEVER_ASKED)
    }
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = if self.secure { "s" } else { "" };
        write!(f, "stow+http{letter}://{}{}", self.at, self.base)?;
        let mut options = Vec::new();
        options.extend((!self.find).then(|| "find=no".to_owned()));
        let auth = self.auth.as_ref();
        options.extend(auth.map(|path| format!("auth={}", path.display())));
        options.extend(named(&self.tls));
        match options.is_empty() {
            true => Ok(()),
            false => write!(f, "?{}", options.join("&")),
        }
    }
}

/// Certificates as an address's options.
pub(crate) fn named(files: &tls::Files) -> Vec<String> {
    let own = files.own.as_ref();
    let all = [
        ("ca", files.authorities.as_ref()),
        ("cert", own.map(|own| &own.0)),
        ("key", own.map(|own| &own.1)),
    ];
    let set = all
        .into_iter()
        .filter_map(|(name, path)| Some((name, path?)));
    set.map(|(name, path)| format!("{name}={}", path.display()))
        .collect()
}

/// A certificate and its key: both or neither.
pub(crate) fn own(
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
) -> Option<Option<(PathBuf, PathBuf)>> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => Some(Some((certificate, key))),
        (None, None) => Some(None),
        _ => None,
    }
}

/// A file by its whole path, without what would end it in an address.
pub(crate) fn file(text: &str) -> Option<PathBuf> {
    let plain = |c: char| !c.is_whitespace() && !"&?#".contains(c);
    let path = PathBuf::from(text);
    (path.is_absolute() && text.chars().all(plain)).then_some(path)
}

/// `HOST:PORT`, with the scheme's own port where none is given.
fn place_of(at: &str, secure: bool) -> Option<String> {
    let bare = !at.ends_with(']') && at.contains(':');
    let (host, port) = match bare {
        true => at.rsplit_once(':')?,
        false => (at, if secure { "443" } else { "80" }),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_:[]".contains(c);
    let fine = !host.is_empty() && host.chars().all(good) && port.parse::<u16>().is_ok();
    fine.then(|| format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_is_shown() {
        for text in [
            "stow+http://pacs:8042/dicom-web",
            "stow+http://192.0.2.7:80",
            "stow+https://[2001:db8::1]:443/a/b?find=no&auth=/etc/karez/pacs.auth",
            "stow+https://pacs:8443/x?ca=/etc/ca.pem&cert=/etc/our.pem&key=/etc/our.key",
        ] {
            let (scheme, rest) = text.split_once("://").unwrap();
            let service = Service::read(rest, scheme.ends_with('s')).unwrap();
            assert_eq!(service.to_string(), text);
        }
        let short = Service::read("pacs/dicom-web/", true).unwrap();
        assert_eq!(short.to_string(), "stow+https://pacs:443/dicom-web");
    }

    #[test]
    fn what_is_no_address_says_why() {
        for text in ["", "/x", "pacs:x/y", "pa cs/x", "pacs/a b", "u:p@pacs/x"] {
            assert_eq!(
                Service::read(text, false),
                Err(ServiceError::Form),
                "{text}"
            );
        }
        for option in ["ca=/x", "auth=x", "find=yes", "auth", "cert=/a"] {
            let bad = Service::read(&format!("pacs/x?{option}"), option.starts_with("cert"));
            assert!(matches!(bad, Err(ServiceError::Option(_))), "{option}");
        }
    }
}
