//! What of a page can be configured: the section `page` of both daemons.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::words::Language;
use crate::config::{Key, Unfit};

macro_rules! page_settings {
    ($name:ident, $doc:literal, $listen:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            /// Where browsers find it, `ADDRESS:PORT`; empty: nowhere.
            pub listen: String,
            /// The language of who has chosen none.
            pub language: Language,
            /// What people call the place of the hub; empty: "the hub".
            pub place: String,
            /// What a GB on the link costs; 0: not shown.
            pub price_per_gb: u32,
            /// In which money.
            pub currency: String,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    listen: $listen.to_owned(),
                    language: Language::En,
                    place: String::new(),
                    price_per_gb: 0,
                    currency: "PKR".to_owned(),
                }
            }
        }

        impl $name {
            /// The address to listen on, if any.
            ///
            /// # Errors
            /// It is no address.
            pub fn address(&self) -> Result<Option<SocketAddr>, Unfit> {
                address(&self.listen)
            }
        }
    };
}

page_settings!(ClinicPage, "The section of a clinic.", "127.0.0.1:4480");
page_settings!(HubPage, "The section of a hub.", "127.0.0.1:4481");

/// `page.listen` at a clinic.
pub const CLINIC_LISTEN: Key = listen("\"127.0.0.1:4480\"");
/// `page.listen` at a hub.
pub const HUB_LISTEN: Key = listen("\"127.0.0.1:4481\"");
/// `page.language`.
pub const LANGUAGE: Key = Key::new(
    "page.language",
    "\"en\"",
    "The language of the page for whoever has chosen none: \"en\" or \"ur\".",
);
/// `page.place`.
pub const PLACE: Key = Key::new(
    "page.place",
    "\"\"",
    "What people call the place of the hub, as in \"Quetta\". Empty: the hub.",
);
/// `page.price_per_gb`.
pub const PRICE: Key = Key::new(
    "page.price_per_gb",
    "0",
    "What a GB on the link costs, for the page; 0: not shown.",
);
/// `page.currency`.
pub const CURRENCY: Key = Key::new(
    "page.currency",
    "\"PKR\"",
    "The money of page.price_per_gb.",
);

const fn listen(default: &'static str) -> Key {
    Key::new(
        "page.listen",
        default,
        "Where a browser finds the page, ADDRESS:PORT. Empty: nowhere. It speaks plain HTTP: let it \
         listen elsewhere than on this machine only behind a proxy that speaks TLS.",
    )
}

fn address(listen: &str) -> Result<Option<SocketAddr>, Unfit> {
    if listen.is_empty() {
        return Ok(None);
    }
    listen.parse().map(Some).map_err(|_| Unfit {
        key: "page.listen",
        message: "must be ADDRESS:PORT, such as \"127.0.0.1:4480\"".to_owned(),
    })
}
